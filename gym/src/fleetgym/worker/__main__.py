"""`python -m fleetgym.worker`, started by the runner with a framework's own interpreter."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import FleetgymError, OperatorError, SpecError
from fleetgym.contracts.json import digest
from fleetgym.contracts.specs import load
from fleetgym.registry import Registry
from fleetgym.worker.child import Confines
from fleetgym.worker.limits import Limits
from fleetgym.worker.namespaces import NOT_APART, Forker, enclose
from fleetgym.worker.processes import die_with_parent, outlive_parent, thread_count
from fleetgym.worker.scout import Scout
from fleetgym.worker.zygote import Zygote

if TYPE_CHECKING:
    from fleetgym.contracts.framework import Framework
    from fleetgym.registry import RegisteredFramework

_NOWHERE = Path(os.devnull)


def main() -> None:
    """Describe the framework that is installed here, or serve it."""
    parser = argparse.ArgumentParser(prog="python -m fleetgym.worker")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("describe", help="print what the plugin registers, as JSON")
    part = commands.add_parser("part", help="say whether runs could be put apart here")
    part.add_argument("--home", type=Path, required=True)
    serve = commands.add_parser("serve", help="run episodes for those who connect")
    serve.add_argument("--socket", type=Path, required=True)
    serve.add_argument("--framework")
    serve.add_argument("--cache", type=Path, help="directory to keep what was learned in")
    serve.add_argument("--cold", action="store_true", help="import nothing before forking")
    serve.add_argument("--single", action="store_true", help="end after one run")
    serve.add_argument("--home", type=Path, help="of every run; else each names its own")
    serve.add_argument("--limits", type=json.loads, help="of every run, as JSON")
    serve.add_argument("--apart", action="store_true", help="runs get namespaces of their own")
    serve.add_argument("--hide", type=Path, action="append", default=[], help="from runs apart")
    asked = parser.parse_args()
    try:
        if asked.command == "describe":
            _describe()
        elif asked.command == "part":
            _part(asked.home)
        else:
            _serve(asked)
    except FleetgymError as error:
        sys.exit(str(error))


def _describe() -> None:
    """Print the manifest's fields; importing everything once also leaves its bytecode behind."""
    registered = _registered(None)
    load(registered.spec.entry_point)().warm()
    print(  # noqa: T201 - this is the answer
        json.dumps(
            {
                "spec": asdict(registered.spec),
                "versions": registered.versions,
                "defaults": registered.defaults,
            }
        )
    )


def _serve(asked: argparse.Namespace) -> None:
    confines = Confines(
        home=asked.home,
        apart=asked.apart,
        hidden=tuple(asked.hide),
        limits=None if asked.limits is None else Limits(**asked.limits),
    )
    forker = _forker() if asked.apart else None
    # While it imports it would not notice that its standard input has ended.
    die_with_parent(os.getppid(), signal.SIGKILL)
    registered = _registered(asked.framework)
    framework: Framework = load(registered.spec.entry_point)()
    scout = Scout(_scouted(asked.cache, registered) if not asked.cold else None)
    if not asked.cold:
        framework.warm()
        scout.import_learned()
        if thread_count() > 1:
            # Nothing has been promised to anybody yet: start over, and let each run import.
            os.execv(sys.executable, [*sys.orig_argv, "--cold"])  # noqa: S606
    zygote = Zygote(
        framework,
        environment=registered.spec.environment,
        path=asked.socket,
        scout=scout,
        confines=confines,
        forker=forker,
        single=asked.single,
    )
    print(json.dumps({"ready": True, "cold": asked.cold}), flush=True)  # noqa: T201
    # From here on it does notice, and has runs to end first.
    outlive_parent()
    signal.signal(signal.SIGTERM, _end)
    zygote.serve()


def _part(home: Path) -> None:
    """Do with one process what is done with each run's."""
    pid = _forker().fork()
    if pid == 0:
        enclose(home, (), Limits())
        os._exit(0)
    if os.waitpid(pid, 0)[1] != 0:
        raise OperatorError(f"{NOT_APART}: the kernel refused mounts or a network.")


def _forker() -> Forker:
    """Return what puts runs apart.

    Raises:
        OperatorError: It cannot be done here.
    """
    try:
        return Forker()
    except OSError as error:
        raise OperatorError(
            f"{NOT_APART} ({error.strerror}): processes here have no right to make namespaces."
        ) from error


def _end(*_: Any) -> None:
    sys.exit(0)


def _scouted(cache: Path | None, registered: RegisteredFramework) -> Path | None:
    if cache is None:
        return None
    key = digest({"versions": registered.versions, "python": sys.version})
    return cache / f"{registered.spec.name}-{key[:16]}.json"


def _registered(name: str | None) -> RegisteredFramework:
    """Return the framework of this environment.

    Raises:
        SpecError: There is none, or more than one and no name was given.
    """
    registry = Registry.discover(venvs=_NOWHERE)
    if name is not None and name in registry.frameworks:
        return registry.frameworks[name]
    if name is None and len(registry.frameworks) == 1:
        return next(iter(registry.frameworks.values()))
    why = "; ".join(f"{broken.name}: {broken.reason}" for broken in registry.broken)
    found = ", ".join(registry.frameworks) or "none"
    raise SpecError(
        f"{sys.prefix} must hold {'one framework' if name is None else repr(name)}; it registers: "
        f"{found}." + (f" Broken: {why}" if why else "")
    )


if __name__ == "__main__":
    main()
