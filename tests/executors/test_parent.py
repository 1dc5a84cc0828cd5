from __future__ import annotations

import importlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fleetgym.contracts.errors import OperatorError
from fleetgym.executors.connection import connect
from fleetgym.executors.parent import FrameworkParent
from fleetgym.executors.unconfined import Unconfined
from fleetgym.registry import RegisteredFramework

# The plugin that does as it is told, from `tests/worker`.
install_toy: Callable[..., RegisteredFramework] = importlib.import_module("toy").install_toy
gone: Callable[[int], Awaitable[None]] = importlib.import_module("proc").gone


async def test_a_parent_ends_when_it_is_closed(place: Path) -> None:
    parent = await FrameworkParent.start(install_toy(place / "toy"), Unconfined(), str(place / "s"))
    await parent.close()
    await gone(parent.pid)
    await parent.close()


async def test_an_interpreter_that_is_gone_is_named(place: Path) -> None:
    toy = replace(install_toy(place / "toy"), python=place / "gone" / "python")
    with pytest.raises(OperatorError) as caught:
        await FrameworkParent.start(toy, Unconfined(), str(place / "s"))
    assert str(caught.value) == (
        f"toy: its interpreter '{place}/gone/python' cannot be started (No such file or "
        "directory). `fleetgym plugins add` its folder again."
    )


async def test_a_framework_that_cannot_be_imported_is_told_with_the_reason(place: Path) -> None:
    toy = install_toy(place / "toy", warm="import no_such_module")
    with pytest.raises(
        OperatorError, match=r"(?s)^toy: it could not be imported\. It said:.*"
    ) as e:
        await FrameworkParent.start(toy, Unconfined(), str(place / "s"))
    assert str(e.value).endswith("ModuleNotFoundError: No module named 'no_such_module'")


async def test_a_plugin_that_registers_something_else_is_told(place: Path) -> None:
    toy = install_toy(place / "toy")
    other = replace(toy, spec=replace(toy.spec, name="other"))
    with pytest.raises(OperatorError, match="must hold 'other'; it registers: toy"):
        await FrameworkParent.start(other, Unconfined(), str(place / "s"))


async def test_connecting_to_nobody_is_told(place: Path) -> None:
    path = str(place / "nobody")
    with pytest.raises(OperatorError, match=re.escape(f"listens at {path!r} (No such file")):
        await connect(path)
