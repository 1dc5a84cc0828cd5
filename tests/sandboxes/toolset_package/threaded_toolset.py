"""A toolset that starts a thread too early."""

from __future__ import annotations

import threading
import time

SPECS = ()
HIDDEN: frozenset[str] = frozenset()
PRELOAD = ()


def warm() -> None:
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
