"""The warm process of one framework, kept alive: a fork of it plays each run."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from fleetgym.contracts.errors import OperatorError
from fleetgym.executors.launch import SOCKET
from fleetgym.worker.namespaces import NOT_APART

if TYPE_CHECKING:
    from fleetgym.executors.launch import Launcher, Process
    from fleetgym.registry import RegisteredFramework

__all__ = ["FrameworkParent", "NotApart"]

_WARM_S = 180.0
_MAX_DEATHS = 5
_TAIL = 2000


class NotApart(OperatorError):
    """This machine does not let a warm process put its runs into namespaces."""


class FrameworkParent:
    """The warm process of one framework. It ends with this process, however that ends.

    When something else ends it, another takes its place: its runs are void, the next are not.
    """

    def __init__(
        self, framework: RegisteredFramework, launcher: Launcher, path: Path, *, single: bool
    ) -> None:
        """Prepare; use :meth:`start`."""
        self._framework = framework
        self._launcher = launcher
        self._path = path
        self._places = itertools.count()
        self._log = path.with_suffix(".log")
        self._single = single
        self._guarding: asyncio.Task[None] | None = None
        self._process: Process | None = None
        self.cold = False
        """Whether each run imports for itself, because importing starts threads."""

    @classmethod
    async def start(
        cls,
        framework: RegisteredFramework,
        launcher: Launcher,
        socket_path: str,
        *,
        single: bool = False,
    ) -> FrameworkParent:
        """Start the process and wait until it has imported the framework.

        Call it on the main thread: the process ends with the thread that has started it.

        Args:
            framework: Where its interpreter is.
            launcher: How it is isolated.
            socket_path: Where it can be connected to. Its place and its log are put beside it.
            single: Start another one after each run.

        Raises:
            OperatorError: It could not be started, or the framework not imported.
        """
        parent = cls(framework, launcher, Path(socket_path), single=single)
        await parent._launch()
        parent._guarding = asyncio.create_task(parent._guard())
        return parent

    @property
    def pid(self) -> int:
        """Id of the process, or of what holds it."""
        assert self._process is not None, "it has been started"
        return self._process.pid

    async def close(self) -> None:
        """End the process and all runs that it still has."""
        if self._guarding is not None:
            self._guarding.cancel()
            await asyncio.gather(self._guarding, return_exceptions=True)
        if self._process is not None:
            await self._process.end()

    async def _launch(self) -> None:
        # A new one each time: nothing that an earlier process has left is there.
        place = self._path.with_suffix(f".place{next(self._places)}")
        place.mkdir()
        self._path.unlink(missing_ok=True)
        self._process = await self._launcher.launch(
            self._framework, place, self._log, single=self._single
        )
        try:
            self.cold = await self._warm(self._process)
        except BaseException:
            await self._process.end()
            raise
        made = place / SOCKET
        if not stat.S_ISSOCK(made.lstat().st_mode):
            await self._process.end()
            raise OperatorError(f"{self._framework.spec.name}: its plugin has tampered with it.")
        # Out of the reach of whoever is in the place, and not there before it can be used.
        made.rename(self._path)
        place.chmod(0o700)

    async def _warm(self, process: Process) -> bool:
        name = self._framework.spec.name
        try:
            said = await asyncio.wait_for(process.answer(), _WARM_S)
        except TimeoutError:
            raise OperatorError(
                f"{name}: importing it took more than {_WARM_S:.0f} s. {self._tail()}"
            ) from None
        if not said:
            await process.wait()
            told = self._tail()
            kind = NotApart if NOT_APART in told else OperatorError
            raise kind(f"{name}: it could not be imported. {told}")
        return bool(json.loads(said)["cold"])

    async def _guard(self) -> None:
        """Replace a process that has died, unless that happens again and again."""
        deaths = 0
        while deaths < _MAX_DEATHS:
            assert self._process is not None
            await self._process.wait()
            deaths += 1
            with contextlib.suppress(OperatorError):
                await self._launch()
                # One that is for a single run is expected to end.
                deaths = 0 if self._single else deaths

    def _tail(self) -> str:
        said = self._log.read_text(errors="replace")[-_TAIL:].strip()
        return f"It said:\n{said}" if said else "It said nothing."
