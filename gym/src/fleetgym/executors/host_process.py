"""A warm process that is a child of this one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fleetgym.contracts.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fleetgym.registry import RegisteredFramework

__all__ = ["HostProcess"]

_END_S = 10.0


class HostProcess:
    """Ends with the thread that has started it: its standard input does."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Belong to a process; use :meth:`start`."""
        self._process = process

    @classmethod
    async def start(
        cls,
        framework: RegisteredFramework,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        directory: Path,
        log: Path,
    ) -> HostProcess:
        """Start it.

        Raises:
            OperatorError: The program is not there.
        """
        with log.open("wb") as output:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=output,
                    cwd=directory,
                    env=environment,
                    start_new_session=True,
                )
            except OSError as error:
                raise OperatorError(
                    f"{framework.spec.name}: its interpreter {command[0]!r} cannot be started "
                    f"({error.strerror}). `fleetgym plugins add` its folder again."
                ) from error
        return cls(process)

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    async def answer(self) -> bytes:
        """Return the line that it says once it is ready."""
        assert self._process.stdout is not None
        return await self._process.stdout.readline()

    async def wait(self) -> None:
        """Return when it has ended."""
        await self._process.wait()

    async def end(self) -> None:
        """Close its standard input; kill it when that does not end it."""
        if self._process.returncode is not None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _END_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
