"""What isolation costs: starting a framework, and each run, by kind.

    python benchmarks/isolation.py [--framework langgraph] [--runs 100] [none local docker]

A run here does nothing but end: its episode is not there. What is measured is the process: forked,
put apart, reported on and reaped; and how long a request of its takes is a loopback round trip
under every kind, since the lane accepts on a socket of the run's own network.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from fleetgym.executors import kinds
from fleetgym.executors.connection import Job
from fleetgym.registry import Registry


async def measure(kind: str, framework: str, runs: int) -> tuple[float, list[float]]:
    """Return the seconds until the framework is warm, and those of each run."""
    registered = Registry.discover().framework(framework)
    launcher = kinds.launcher(kind)
    launcher.facts(registered)
    with tempfile.TemporaryDirectory(prefix="fg", ignore_cleanup_errors=True) as folder:
        began = time.perf_counter()
        warm = await kinds.warm(registered, launcher, f"{folder}/w", count=2)
        started = time.perf_counter() - began
        lane = await kinds.reach(f"{folder}/w")
        took: list[float] = []
        for number in range(runs):
            home = Path(folder, f"home{number}")
            home.mkdir()  # noqa: ASYNC240 - nothing else runs here
            job = Job(
                episode_url="http://127.0.0.1:1/r/none",
                token="none",
                topology="single",
                parameters={},
                home=str(home),
                port=47_000 if launcher.private_network else 0,
            )
            began = time.perf_counter()
            handle = await lane.spawn(job)
            await handle.wait()
            took.append(time.perf_counter() - began)
        await lane.close()
        await warm.close()
    return started, took


def main() -> None:
    """Print a row a kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=["none", "local"])
    parser.add_argument("--framework", default="langgraph")
    parser.add_argument("--runs", type=int, default=100)
    asked = parser.parse_args()
    print("kind    warm s  run p50 ms  run p95 ms")
    for kind in asked.kinds:
        started, took = asyncio.run(measure(kind, asked.framework, asked.runs))
        p50, p95 = statistics.median(took), statistics.quantiles(took, n=20)[-1]
        print(f"{kind:7} {started:6.2f} {p50 * 1000:11.1f} {p95 * 1000:11.1f}")


if __name__ == "__main__":
    main()
