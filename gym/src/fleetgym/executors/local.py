"""Framework processes on this machine: one warm process a framework, a fork of it for each run."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetgym import home
from fleetgym.contracts.errors import OperatorError, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fleetgym.registry import RegisteredFramework

__all__ = ["Connection", "FrameworkParent", "Job", "WorkerExit", "WorkerHandle", "connect"]

_LINE_LIMIT = 16 * 1024**2
_WARM_S = 180.0
_END_S = 10.0
_MAX_DEATHS = 5
_PATIENCE_S = 30.0
_PAUSE_S = 0.1
_TAIL = 2000

_ENVIRONMENT: Mapping[str, str] = {
    "LANG": "C.UTF-8",
    # The threads that numpy would start when it is imported could not be forked.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    # Equal runs order their sets equally.
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    # Certificates to trust: none. It has nobody to talk to over TLS, and loading them costs each
    # client that a framework makes 20 ms.
    "SSL_CERT_DIR": os.devnull,
    "TZ": "UTC",
}
"""All that a framework's process sees of the host's environment: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run for a framework's process."""

    episode_url: str
    token: str = field(repr=False)
    topology: str
    parameters: Mapping[str, Any]
    """The plugin's declared parameters, some of them overridden."""

    home: str
    """An empty directory; the run's home, working directory and temporary directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerExit:
    """How a run's process ended."""

    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    closing_text: str = ""
    error: str | None = None
    """Type, message and place of what the framework raised."""

    exit_code: int | None = None
    signal: int | None = None
    cpu_s: float = 0.0
    """Of the process and those it has waited for."""

    peak_memory_bytes: int = 0
    """Resident, the pages that it shares with the warm process included."""


class FrameworkParent:
    """The warm process of one framework. It ends with this process, however that ends.

    When something else ends it, another takes its place: its runs are void, the next are not.
    """

    def __init__(self, framework: RegisteredFramework, socket_path: str) -> None:
        """Prepare; use :meth:`start`."""
        self._framework = framework
        self._path = Path(socket_path)
        self._home = self._path.with_suffix(".home")
        self._log = self._path.with_suffix(".log")
        self._guarding: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self.cold = False
        """Whether each run imports for itself, because importing starts threads."""

    @classmethod
    async def start(cls, framework: RegisteredFramework, socket_path: str) -> FrameworkParent:
        """Start the process and wait until it has imported the framework.

        Call it on the main thread: the process ends with the thread that has started it.

        Args:
            framework: Where its interpreter is.
            socket_path: Where it is to listen. Its home and its log are put beside it.

        Raises:
            OperatorError: It could not be started, or the framework not imported.
        """
        parent = cls(framework, socket_path)
        await parent._launch()
        parent._guarding = asyncio.create_task(parent._guard())
        return parent

    @property
    def pid(self) -> int:
        """Id of the process."""
        assert self._process is not None, "it has been started"
        return self._process.pid

    async def close(self) -> None:
        """End the process and all runs that it still has."""
        if self._guarding is not None:
            self._guarding.cancel()
            await asyncio.gather(self._guarding, return_exceptions=True)
        await self._end()

    async def _launch(self) -> None:
        name = self._framework.spec.name
        declared = self._framework.spec.environment.items()
        self._home.mkdir(exist_ok=True)
        self._path.unlink(missing_ok=True)
        with self._log.open("wb") as output:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    str(self._framework.python),
                    *("-P", "-s", "-m", "fleetgym.worker", "serve", "--framework", name),
                    *("--socket", str(self._path), "--cache", str(home.cache("imports"))),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=output,
                    cwd=self._home,
                    env={
                        **_ENVIRONMENT,
                        "HOME": str(self._home),
                        **{variable: value.format(home=self._home) for variable, value in declared},
                    },
                    start_new_session=True,
                )
            except OSError as error:
                raise OperatorError(
                    f"{name}: its interpreter {str(self._framework.python)!r} cannot be started "
                    f"({error.strerror}). `fleetgym plugins add` its folder again."
                ) from error
        try:
            self.cold = await self._warm(self._process)
        except BaseException:
            await self._end()
            raise

    async def _warm(self, process: asyncio.subprocess.Process) -> bool:
        assert process.stdout is not None
        name = self._framework.spec.name
        try:
            said = await asyncio.wait_for(process.stdout.readline(), _WARM_S)
        except TimeoutError:
            raise OperatorError(
                f"{name}: importing it took more than {_WARM_S:.0f} s. {_tail(self._log)}"
            ) from None
        if not said:
            await process.wait()
            raise OperatorError(f"{name}: it could not be imported. {_tail(self._log)}")
        return bool(json.loads(said)["cold"])

    async def _guard(self) -> None:
        """Replace a process that has died, unless that happens again and again."""
        for _ in range(_MAX_DEATHS):
            assert self._process is not None
            await self._process.wait()
            with contextlib.suppress(OperatorError):
                await self._launch()

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _END_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def connect(socket_path: str) -> Connection:
    """Connect to a warm process.

    Raises:
        OperatorError: There is none.
    """
    connection = Connection(socket_path)
    try:
        await connection.open()
    except OSError as error:
        raise OperatorError(
            f"No framework process listens at {socket_path!r} ({error.strerror})."
        ) from error
    return connection


class Connection:
    """One lane's connection to a warm process. When it is closed, its runs are killed."""

    def __init__(self, socket_path: str) -> None:
        """Prepare; use :func:`connect`."""
        self._path = socket_path
        self._runs: dict[int, WorkerHandle] = {}
        self._ids = itertools.count()
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Connect.

        Raises:
            OSError: Nobody listens.
        """
        reader, writer = await asyncio.open_unix_connection(self._path, limit=_LINE_LIMIT)
        # The socket of a process that is dying can still be connected to, but answers nothing.
        if not await reader.readline():
            writer.close()
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        self._writer = writer
        self._listening = asyncio.create_task(self._listen(reader, writer))

    async def lost(self) -> None:
        """Return when the warm process that it was opened to has died, or has been left."""
        if self._listening is not None:
            await asyncio.wait({self._listening})

    async def spawn(self, job: Job) -> WorkerHandle:
        """Start a run's process.

        Raises:
            SandboxError: The warm process has died, and none has taken its place.
        """
        await self._reopen()
        identity = next(self._ids)
        handle = WorkerHandle(lambda: self._tell({"do": "kill", "id": identity}))
        self._runs[identity] = handle
        try:
            self._tell({"do": "run", "id": identity, "job": asdict(job)})
            await handle.started()
        except asyncio.CancelledError:
            await handle.kill()
            raise
        return handle

    async def close(self) -> None:
        """Hang up."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    async def _reopen(self) -> None:
        """Connect again to the process that took the place of one that died."""
        async with self._opening:
            for _ in range(int(_PATIENCE_S / _PAUSE_S)):
                if self._writer is not None:
                    return
                with contextlib.suppress(OSError):
                    await self.open()
                    return
                await asyncio.sleep(_PAUSE_S)
        raise SandboxError(_LOST)

    def _tell(self, asked: Mapping[str, Any]) -> None:
        if self._writer is None:
            raise SandboxError(_LOST)
        self._writer.write(json.dumps(asked).encode() + b"\n")

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                told = json.loads(line)
                if "exit" in told:
                    self._runs.pop(told["id"]).take_exit(WorkerExit(**told["exit"]))
                else:
                    self._runs[told["id"]].take_pid(told["pid"])
        except OSError:
            pass
        finally:
            self._writer = None
            for handle in self._runs.values():
                handle.take_loss()
            self._runs.clear()
            writer.close()


_LOST = "The framework's warm process has died, and its runs with it."


class WorkerHandle:
    """A run's process."""

    def __init__(self, kill: Callable[[], None]) -> None:
        """Belong to one run; ``kill`` asks for its end."""
        self._kill = kill
        loop = asyncio.get_running_loop()
        self._pid: asyncio.Future[int] = loop.create_future()
        self._exit: asyncio.Future[WorkerExit] = loop.create_future()

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._exit.done()

    async def started(self) -> int:
        """Return the id of the process, once there is one.

        Raises:
            SandboxError: The warm process has died.
        """
        return await asyncio.shield(self._pid)

    async def wait(self) -> WorkerExit:
        """Return how the process ended, once it has; may be cancelled and called again.

        Raises:
            SandboxError: The warm process has died.
        """
        return await asyncio.shield(self._exit)

    async def kill(self) -> None:
        """Kill the process and its descendants; no error when they are gone."""
        if not self.ended:
            with contextlib.suppress(SandboxError):
                self._kill()

    def take_pid(self, pid: int) -> None:
        """Note that the process has started."""
        self._pid.set_result(pid)

    def take_exit(self, report: WorkerExit) -> None:
        """Note how it ended."""
        self._exit.set_result(report)

    def take_loss(self) -> None:
        """Note that nobody can tell any more."""
        for future in (self._pid, self._exit):
            if not future.done():
                future.set_exception(SandboxError(_LOST))
                # Whoever asks is told; that nobody asks is no error.
                future.exception()


def _tail(log: Path) -> str:
    said = log.read_text(errors="replace")[-_TAIL:].strip()
    return f"It said:\n{said}" if said else "It said nothing."
