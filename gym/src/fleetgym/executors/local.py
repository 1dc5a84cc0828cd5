"""Framework processes on this machine: one warm process a framework, a fork of it for each run."""

from __future__ import annotations

import asyncio
import contextlib
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
    """The warm process of one framework. It ends with this process, however that ends."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Take over a process that has been started."""
        self._process = process
        self.pid = process.pid
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
        name, path = framework.spec.name, Path(socket_path)
        log, own_home = path.with_suffix(".log"), path.with_suffix(".home")
        own_home.mkdir(exist_ok=True)
        declared = {k: v.format(home=own_home) for k, v in framework.spec.environment.items()}
        with log.open("wb") as output:
            try:
                process = await asyncio.create_subprocess_exec(
                    str(framework.python),
                    *("-P", "-s", "-m", "fleetgym.worker", "serve", "--framework", name),
                    *("--socket", socket_path, "--cache", str(home.cache("imports"))),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=output,
                    cwd=own_home,
                    env={**_ENVIRONMENT, "HOME": str(own_home), **declared},
                    start_new_session=True,
                )
            except OSError as error:
                raise OperatorError(
                    f"{name}: its interpreter {str(framework.python)!r} cannot be started "
                    f"({error.strerror}). `fleetgym plugins add` its folder again."
                ) from error
        parent = cls(process)
        try:
            await parent._warm(name, log)
        except BaseException:
            await parent.close()
            raise
        return parent

    async def close(self) -> None:
        """End the process and all runs that it still has."""
        if self._process.returncode is not None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _END_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _warm(self, name: str, log: Path) -> None:
        assert self._process.stdout is not None
        try:
            said = await asyncio.wait_for(self._process.stdout.readline(), _WARM_S)
        except TimeoutError:
            raise OperatorError(
                f"{name}: importing it took more than {_WARM_S:.0f} s. {_tail(log)}"
            ) from None
        if not said:
            await self._process.wait()
            raise OperatorError(f"{name}: it could not be imported. {_tail(log)}")
        self.cold = bool(json.loads(said)["cold"])


async def connect(socket_path: str) -> Connection:
    """Connect to a warm process.

    Raises:
        OperatorError: There is none.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(socket_path, limit=_LINE_LIMIT)
    except OSError as error:
        raise OperatorError(
            f"No framework process listens at {socket_path!r} ({error.strerror})."
        ) from error
    return Connection(reader, writer)


class Connection:
    """One lane's connection. When it is closed, its runs are killed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Start to listen."""
        self._writer = writer
        self._runs: dict[int, WorkerHandle] = {}
        self._ids = itertools.count()
        self._lost = False
        self._listening = asyncio.create_task(self._listen(reader))

    async def spawn(self, job: Job) -> WorkerHandle:
        """Start a run's process.

        Raises:
            SandboxError: The warm process has died.
        """
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
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def _tell(self, asked: Mapping[str, Any]) -> None:
        if self._lost:
            raise SandboxError(_LOST)
        self._writer.write(json.dumps(asked).encode() + b"\n")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
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
            self._lost = True
            for handle in self._runs.values():
                handle.take_loss()
            self._runs.clear()


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
