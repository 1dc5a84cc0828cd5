from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fleetgym.contracts.sandbox import Limits
from fleetgym_kb import index, toolset

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fleetgym.contracts.sandbox import ToolFunction


@pytest.fixture(scope="session")
def kb() -> Path:
    return index.ensure()


@pytest.fixture(scope="session")
def tools(kb: Path) -> Mapping[str, ToolFunction]:
    return toolset.open_toolset({"kb": kb}, Limits())
