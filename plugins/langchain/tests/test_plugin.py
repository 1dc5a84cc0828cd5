from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from fleetgym.contracts.specs import FrameworkSpec

FOLDER = Path(__file__).parents[1]


@pytest.fixture
def spec(monkeypatch: pytest.MonkeyPatch) -> FrameworkSpec:
    """Return what the plugin registers, where its framework is not installed."""
    monkeypatch.syspath_prepend(str(FOLDER / "src"))
    from fleetgym_plugin_langchain import plugin

    specs: list[FrameworkSpec] = []
    plugin.register_frameworks(specs.append)
    return specs[0]


def test_listing_needs_no_framework(spec: FrameworkSpec) -> None:
    assert spec.name == "langchain"
    assert "langchain" not in sys.modules


def test_all_that_is_measured_is_locked(spec: FrameworkSpec) -> None:
    lock = (FOLDER / "requirements.txt").read_text()
    locked = re.findall(r"^([a-z0-9-]+)==\S+ \\\n    --hash=sha256:", lock, re.MULTILINE)
    assert set(spec.distributions) <= set(locked)
