"""ONNX Runtime with its telemetry off; import it from here, never directly.

Its official builds start an uploader thread, write a device identifier below ``~/.cache`` and
report to their maker, unless this variable is set before the first import (seen with 1.32).
"""

from __future__ import annotations

import os
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

__all__ = ["runtime"]

runtime: Any = onnxruntime
"""The module; it carries no types."""
