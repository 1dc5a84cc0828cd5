"""What a sandbox costs an episode: `python benchmarks/sandbox.py [--episodes N] [--json]`.

For each kind of sandbox: a cold one (a server is started for the episode), a warm one (it waits
already), and the price of one among many (start, episodes and end of a provider, divided). One
episode here opens a sandbox, makes one call and closes it; what an environment's own tools do is
not in it. Beside them, in the same run and in turns: the bare programs, `docker run … true`
(create, start, wait, remove) and `bwrap … true`. What this machine lacks is not measured, and the
output says so. Takes a minute.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker

from fleetgym.contracts.errors import FleetgymError
from fleetgym.contracts.sandbox import SandboxSpec
from fleetgym.contracts.tools import ToolCall
from fleetgym.sandboxes import provider
from fleetgym.sandboxes.bubblewrap import find_bubblewrap
from fleetgym.sandboxes.docker_daemon import connect
from fleetgym.sandboxes.docker_settings import image_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetgym.contracts.sandbox import SandboxProvider

KINDS = ("docker", "local")
SPEC = SandboxSpec(toolsets=("fleetgym.toolserver.trials",))
NOTHING = ToolCall("nothing", {})  # is answered that there is no such tool
WARM_UP = 5
DOCKER_RUN, BWRAP = "docker run … true", "bwrap … true"


def episode(sandboxes: SandboxProvider, data: Path) -> None:
    """Open a sandbox, call a tool, close it."""
    with closing(sandboxes.open(SPEC, data)) as sandbox:
        sandbox.call(NOTHING)


def took(work: Callable[[], object]) -> float:
    """Return the milliseconds that ``work`` takes."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def cold(kind: str, data: Path) -> float:
    """Return the milliseconds of an episode whose server has to be started."""
    with closing(provider(kind)) as sandboxes:
        return took(lambda: episode(sandboxes, data))


def warm(kind: str, data: Path, episodes: int) -> list[float]:
    """Return the milliseconds of episodes whose server waits."""
    with closing(provider(kind)) as sandboxes:
        times = [took(lambda: episode(sandboxes, data)) for _ in range(WARM_UP + episodes)]
    return times[WARM_UP:]


def amortized(kind: str, data: Path, episodes: int) -> float:
    """Return the milliseconds of one among many, start and end of the provider included."""

    def all_of_them() -> None:
        with closing(provider(kind)) as sandboxes:
            for _ in range(episodes):
                episode(sandboxes, data)

    return took(all_of_them) / episodes


def docker_run(client: Any) -> None:
    """Do what ``docker run --rm --network none IMAGE true`` does."""
    container = client.create_container(
        image_name(SPEC), entrypoint=["/bin/true"], host_config={"NetworkMode": "none"}
    )["Id"]
    client.start(container)
    client.wait(container)
    client.remove_container(container)


def bwrap(program: str) -> None:
    """Run ``true`` in namespaces of its own."""
    host = ("--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev")
    subprocess.run([program, *host, "/bin/true"], check=True)


def possible() -> tuple[dict[str, Callable[[], float]], list[str], dict[str, str]]:
    """Return the bare programs there are, the kinds that work, and why others do not."""
    bare: dict[str, Callable[[], float]] = {}
    missing: dict[str, str] = {}
    try:
        with closing(connect()) as daemon:
            daemon.image(image_name(SPEC))
        client: Any = docker.from_env().api
        bare[DOCKER_RUN] = lambda: took(lambda: docker_run(client))
    except FleetgymError as error:
        missing["docker"] = str(error)
    try:
        program = find_bubblewrap()
        bare[BWRAP] = lambda: took(lambda: bwrap(program))
    except FleetgymError as error:
        missing["local"] = str(error)
    return bare, [kind for kind in KINDS if kind not in missing], missing


def measure(episodes: int, rounds: int) -> dict[str, Any]:
    """Return medians in milliseconds by name, and what was not measured."""
    bare, kinds, missing = possible()
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        for name, run in bare.items():
            run()  # what is on disk comes into memory
            times[name] = []
        for _ in range(rounds):
            for name, run in bare.items():
                times[name].append(run())
            for kind in kinds:
                times.setdefault(f"{kind}, cold", []).append(cold(kind, data))
        for kind in kinds:
            times[f"{kind}, warm"] = warm(kind, data, episodes)
            times[f"{kind}, one of {episodes}"] = [amortized(kind, data, episodes)]
    return {
        "episodes": episodes,
        "rounds": rounds,
        "median_ms": {name: round(statistics.median(taken), 3) for name, taken in times.items()},
        "not_measured": missing,
    }


def show(found: dict[str, Any]) -> None:
    """Print medians and how they compare with the bare programs."""
    medians: dict[str, float] = found["median_ms"]
    bare = [name for name in (DOCKER_RUN, BWRAP) if name in medians]
    print(f"{'':22} {'median':>11}" + "".join(f"  {'/ ' + name:>19}" for name in bare))
    for name, median in medians.items():
        ratios = "".join(f"  {median / medians[other]:19.3f}" for other in bare)
        print(f"{name:22} {median:8.2f} ms{ratios}")
    for kind, reason in found["not_measured"].items():
        print(f"not measured: {kind}. {reason}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--episodes", type=int, default=200, help="warm ones, of each kind")
    parser.add_argument("--rounds", type=int, default=10, help="cold ones and bare programs")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    found = measure(options.episodes, options.rounds)
    if options.json:
        json.dump(found, sys.stdout, indent=2)
        print()
    else:
        show(found)


if __name__ == "__main__":
    main()
