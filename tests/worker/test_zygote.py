from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fleetgym.contracts.errors import SandboxError
from proc import descendants, gone
from toy import install_toy
from world import NUMBER, world

if TYPE_CHECKING:
    from conftest import Started, Warm
    from world import World


async def test_a_run_plays_its_episode_and_reports(toy: Warm, here: World) -> None:
    handle = await toy.connection.spawn(here.job(do="obey"))
    report = await handle.wait()
    assert report.closing_text.startswith("Error: There is nothing there")
    assert report.closing_text.endswith(f"Then {NUMBER}, submitted: True.")
    assert (report.error, report.exit_code, report.signal) == (None, 0, None)
    assert report.versions == {"toy": "7"}
    assert here.session.submitted


async def test_a_run_sees_nothing_of_the_host(
    start: Started, here: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-host")
    warm = await start(install_toy(tmp_path / "toy"))
    told = json.loads(
        (await (await warm.connection.spawn(here.job(do="confess"))).wait()).closing_text
    )
    home = str(here.home)
    assert told["environment"] == {
        "HOME": home,
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONPATH": str(tmp_path / "toy"),
        "SSL_CERT_DIR": "/dev/null",
        "TMPDIR": f"{home}/tmp",
        "TOY_HOME": f"{home}/toy",
        "TZ": "UTC",
    }
    assert told["cwd"] == home
    # Standard streams, the report, the connection to the episode, and the listing itself.
    assert told["descriptors"] == [0, 1, 2, 3, 4, 5]
    assert told["handled"] == []
    assert told["leader"] == told["pid"]
    assert told["threads"] == 1


@pytest.mark.parametrize(
    ("does", "error", "code"),
    [
        pytest.param("fail", "ValueError: no idea (in toy/toy_framework.py, line", 1, id="raises"),
        pytest.param("exit", "SystemExit: 0 (in toy/toy_framework.py, line", 1, id="exits"),
        pytest.param(
            "crash", "The process ended without a report. the last words", 9, id="crashes"
        ),
    ],
)
async def test_what_a_framework_dies_of_is_told(
    toy: Warm, here: World, does: str, error: str, code: int
) -> None:
    report = await (await toy.connection.spawn(here.job(do=does))).wait()
    assert (report.error or "").startswith(error)
    assert report.exit_code == code


async def test_going_on_after_the_end_of_the_episode_is_no_error(toy: Warm, here: World) -> None:
    report = await (await toy.connection.spawn(here.job(do="go_on"))).wait()
    assert (report.error, report.exit_code) == (None, 0)
    assert here.session.ended_by == "steps"


async def test_what_a_run_leaves_behind_ends_with_it(toy: Warm, here: World) -> None:
    report = await (await toy.connection.spawn(here.job(do="leave"))).wait()
    assert report.exit_code == 0
    await gone(int(report.closing_text))


async def test_a_kill_takes_descendants_along_even_those_in_other_sessions(
    toy: Warm, tmp_path: Path
) -> None:
    looked = asyncio.Event()
    async with world(tmp_path / "w", on_step=lambda _: looked.set()) as here:
        handle = await toy.connection.spawn(here.job(do="hang"))
        pid = await handle.started()
        await looked.wait()
        children = descendants(pid)
        assert len(children) == 1
        assert not handle.ended
        await handle.kill()
        report = await handle.wait()
    assert (report.signal, report.exit_code, report.error) == (signal.SIGKILL, None, None)
    assert handle.ended
    await gone(children[0])


async def test_waiting_can_be_given_up_and_taken_up_again(toy: Warm, tmp_path: Path) -> None:
    async with world(tmp_path / "w") as here:
        handle = await toy.connection.spawn(here.job(do="hang"))
        waiting = asyncio.ensure_future(handle.wait())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await handle.kill()
        assert await handle.wait() == await handle.wait()


async def test_resources_are_of_the_run_alone(toy: Warm, here: World) -> None:
    report = await (await toy.connection.spawn(here.job(do="burn"))).wait()
    assert 0.2 <= report.cpu_s < 1.5
    assert 64 << 20 < report.peak_memory_bytes < 256 << 20


async def test_runs_end_with_the_lane_that_asked_for_them(toy: Warm, tmp_path: Path) -> None:
    async with world(tmp_path / "w") as here:
        handle = await toy.connection.spawn(here.job(do="hang"))
        pid = await handle.started()
        await toy.connection.close()
        await gone(pid)


async def test_runs_end_with_the_warm_process_and_are_void(toy: Warm, tmp_path: Path) -> None:
    async with world(tmp_path / "w") as here:
        handle = await toy.connection.spawn(here.job(do="hang"))
        pid = await handle.started()
        os.kill(toy.parent.pid, signal.SIGKILL)
        with pytest.raises(SandboxError, match="warm process has died"):
            await handle.wait()
        await gone(pid)


async def test_a_warm_process_that_died_is_replaced(toy: Warm, here: World) -> None:
    before = toy.parent.pid
    os.kill(before, signal.SIGKILL)
    await toy.connection.lost()
    report = await (await toy.connection.spawn(here.job(do="obey"))).wait()
    assert here.session.submitted
    assert report.error is None
    assert toy.parent.pid != before


async def test_what_a_run_imports_is_there_already_for_the_next_one(
    toy: Warm, tmp_path: Path
) -> None:
    own: list[str] = []
    for index in range(2):
        async with world(tmp_path / str(index)) as here:
            job = here.job(do="import_late")
            own.append((await (await toy.connection.spawn(job)).wait()).closing_text)
    assert own == ["True", "False"]


THREAD = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"


async def test_what_starts_threads_is_never_imported_ahead(start: Started, tmp_path: Path) -> None:
    warm = await start(install_toy(tmp_path / "toy", late=THREAD))
    own: list[str] = []
    for index in range(2):
        async with world(tmp_path / str(index)) as here:
            job = here.job(do="import_late")
            own.append((await (await warm.connection.spawn(job)).wait()).closing_text)
    assert own == ["True", "True"]


async def test_a_framework_whose_import_starts_threads_is_run_cold(
    start: Started, here: World, tmp_path: Path
) -> None:
    warm = await start(install_toy(tmp_path / "toy", warm=THREAD))
    report = await (await warm.connection.spawn(here.job(do="obey"))).wait()
    assert here.session.submitted
    assert report.error is None
    assert warm.parent.cold


ORPHANAGE = """
import asyncio, json, sys
sys.path[:0] = json.loads(sys.argv[1])
from pathlib import Path
from fleetgym.executors.connection import Job, connect
from fleetgym.executors.parent import FrameworkParent
from fleetgym.executors.unconfined import Unconfined
from toy import install_toy

async def main(folder, url):
    parent = await FrameworkParent.start(
        install_toy(folder / "toy"), Unconfined(), str(folder / "s")
    )
    connection = await connect(str(folder / "s"))
    (folder / "home").mkdir()
    job = Job(
        episode_url=url, token="episode-token", topology="single", parameters={"do": "hang"},
        home=str(folder / "home"),
    )
    handle = await connection.spawn(job)
    print(parent.pid, await handle.started(), flush=True)
    await handle.wait()

asyncio.run(main(Path(sys.argv[2]), sys.argv[3]))
"""


async def test_nothing_outlives_a_runner_that_is_killed(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    looked = asyncio.Event()
    folder = tmp_path_factory.mktemp("o")
    async with world(tmp_path, on_step=lambda _: looked.set()) as here:
        runner = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", ORPHANAGE, json.dumps(sys.path), str(folder), here.url),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "FLEETGYM_HOME": str(tmp_path / "state")},
        )
        assert runner.stdout is not None
        parent, run = map(int, (await runner.stdout.readline()).split())
        await looked.wait()
        left = [parent, run, *descendants(run)]
        assert len(left) == 3
        runner.kill()
        await runner.wait()
        for pid in left:
            await gone(pid)
