from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import tiny_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tiny_file.write(tmp_path)
