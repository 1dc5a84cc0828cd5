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

from fleetgym.contracts.errors import FleetgymError, SpecError
from fleetgym.contracts.json import digest
from fleetgym.contracts.specs import load
from fleetgym.registry import Registry
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
    serve = commands.add_parser("serve", help="run episodes for those who connect")
    serve.add_argument("--socket", type=Path, required=True)
    serve.add_argument("--framework")
    serve.add_argument("--cache", type=Path, help="directory to keep what was learned in")
    serve.add_argument("--cold", action="store_true", help="import nothing before forking")
    asked = parser.parse_args()
    try:
        if asked.command == "describe":
            _describe()
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
        framework, environment=registered.spec.environment, path=asked.socket, scout=scout
    )
    print(json.dumps({"ready": True, "cold": asked.cold}), flush=True)  # noqa: T201
    # From here on it does notice, and has runs to end first.
    outlive_parent()
    signal.signal(signal.SIGTERM, _end)
    zygote.serve()


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
