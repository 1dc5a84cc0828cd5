"""A lane whose agents come from outside, as many at a time as are asked for.

    python lane_process.py OUT KIND

Reads the keys of runs, one JSON document a line, and says where each episode is and how it ended.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from fleetgym.contracts.record import RunKey
from fleetgym.episode import Session
from fleetgym.executors.connection import WorkerExit
from fleetgym.runner.lane import ATTEMPTS, Lane, LaneConfig


class Guest:
    """Somebody at the other end of HTTP."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def ended(self) -> bool:
        return self._session.ended.is_set()

    async def wait(self) -> WorkerExit:
        await self._session.ended.wait()
        return WorkerExit()

    async def kill(self) -> None:
        self._session.end("worker")


class OpenLane(Lane):
    async def spawn(self, key: RunKey, session: Session, home: object) -> Guest:
        say("open", key, url=f"{self.url}/r/{key.run_id}", token=session.token)
        return Guest(session)

    async def play(self, key: RunKey) -> None:
        try:
            # The last attempt, so that a void run gets its record, too.
            record = await self.run(key, ATTEMPTS)
        except Exception as error:
            say("lost", key, why=repr(error))
            raise
        say("finished", key, outcome=record.outcome, detail=record.detail)


def say(kind: str, key: RunKey, **more: Any) -> None:
    sys.stdout.write(json.dumps({"kind": kind, "run_id": key.run_id, **more}) + "\n")
    sys.stdout.flush()


async def main(out: str, kind: str) -> None:
    lane = OpenLane(LaneConfig(suite="hostile", out=out, sandbox=kind))
    await lane.open()
    source = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(source), sys.stdin
    )
    runs: list[asyncio.Task[None]] = []
    try:
        while line := await source.readline():
            runs.append(asyncio.create_task(lane.play(RunKey.model_validate_json(line))))
    finally:
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)
        await lane.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
