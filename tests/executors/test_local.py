from __future__ import annotations

import importlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fleetgym.contracts.errors import OperatorError
from fleetgym.executors.local import FrameworkParent, connect
from fleetgym.registry import RegisteredFramework

# The plugin that does as it is told, from `tests/worker`.
install_toy: Callable[..., RegisteredFramework] = importlib.import_module("toy").install_toy
gone: Callable[[int], Awaitable[None]] = importlib.import_module("proc").gone


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where sockets are put: their paths have to be short."""
    folder = tmp_path_factory.mktemp("e")
    monkeypatch.setenv("FLEETGYM_HOME", str(folder / "state"))
    return folder


async def test_a_parent_ends_when_it_is_closed(folder: Path) -> None:
    parent = await FrameworkParent.start(install_toy(folder / "toy"), str(folder / "s"))
    await parent.close()
    await gone(parent.pid)
    await parent.close()


async def test_an_interpreter_that_is_gone_is_named(folder: Path) -> None:
    toy = replace(install_toy(folder / "toy"), python=folder / "gone" / "python")
    with pytest.raises(OperatorError) as caught:
        await FrameworkParent.start(toy, str(folder / "s"))
    assert str(caught.value) == (
        f"toy: its interpreter '{folder}/gone/python' cannot be started (No such file or "
        "directory). `fleetgym plugins add` its folder again."
    )


async def test_a_framework_that_cannot_be_imported_is_told_with_the_reason(folder: Path) -> None:
    toy = install_toy(folder / "toy", warm="import no_such_module")
    with pytest.raises(
        OperatorError, match=r"(?s)^toy: it could not be imported\. It said:.*"
    ) as e:
        await FrameworkParent.start(toy, str(folder / "s"))
    assert str(e.value).endswith("ModuleNotFoundError: No module named 'no_such_module'")


async def test_a_plugin_that_registers_something_else_is_told(folder: Path) -> None:
    toy = install_toy(folder / "toy")
    other = replace(toy, spec=replace(toy.spec, name="other"))
    with pytest.raises(OperatorError, match="must hold 'other'; it registers: toy"):
        await FrameworkParent.start(other, str(folder / "s"))


async def test_connecting_to_nobody_is_told(folder: Path) -> None:
    path = str(folder / "nobody")
    with pytest.raises(OperatorError, match=re.escape(f"listens at {path!r} (No such file")):
        await connect(path)
