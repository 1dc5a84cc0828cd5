from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fleetgym.contracts.errors import OperatorError
from fleetgym_kb import cti, index

if TYPE_CHECKING:
    from collections.abc import Iterator

ASK = """
import sys
from pathlib import Path
from fleetgym.contracts.sandbox import Limits
from fleetgym_kb.toolset import open_toolset
tools = open_toolset({"kb": Path(sys.argv[1])}, Limits())
for question in sys.argv[2:]:
    print(tools["search_cti_reports"](query=question, limit=10))
"""
QUESTIONS = ["a rootkit", "cloud identity abused", "who deletes logs and why?", "mining"]


def contents(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file()
    }


def run(code: str, *arguments: str, **environment: str) -> str:
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", **environment}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def fresh_digest() -> Iterator[None]:
    index.kb_digest.cache_clear()
    yield
    index.kb_digest.cache_clear()


def test_it_is_made_once_and_holds_all_that_the_tools_need(kb: Path) -> None:
    before = contents(kb)
    assert index.ensure() == kb
    assert contents(kb) == before
    assert {"reports.json", "techniques.json", "sigma.json", "chroma/chroma.sqlite3"} <= set(before)
    assert len(json.loads((kb / "reports.json").read_text())) == len(cti.load())


@pytest.mark.usefixtures("fresh_digest")
def test_the_digest_moves_with_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = index.kb_digest()
    copy = shutil.copytree(cti.REPORTS, tmp_path / "reports")
    monkeypatch.setattr(cti, "REPORTS", copy)
    index.kb_digest.cache_clear()
    assert index.kb_digest() == before
    report = next(copy.glob("linux-*.md"))
    report.write_text(report.read_text() + "\n- 192.0.2.1\n")
    index.kb_digest.cache_clear()
    assert index.kb_digest() != before


def test_a_place_that_cannot_be_written_is_the_operators_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FLEETGYM_HOME", str(tmp_path / "file"))
    with pytest.raises(OperatorError, match="Set FLEETGYM_HOME to a writable directory"):
        index.ensure()


@pytest.mark.slow
def test_builders_that_race_agree_on_one_directory_and_leave_no_rest(
    tmp_path: Path, kb: Path
) -> None:
    code = "from fleetgym_kb import index; print(index.ensure())"
    env = {**os.environ, "FLEETGYM_HOME": str(tmp_path)}
    racers = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env)
        for _ in range(2)
    ]
    places = {racer.communicate()[0].strip() for racer in racers}
    assert [racer.returncode for racer in racers] == [0, 0]
    assert len(places) == 1
    made = Path(places.pop())
    assert sorted(path.name for path in made.parent.iterdir()) == [".lock", kb.name]
    # Another build, another machine's inode numbers and times: the same answers.
    assert run(ASK, str(made), *QUESTIONS) == run(ASK, str(kb), *QUESTIONS)


def test_search_answers_alike_in_every_process_and_leaves_the_directory_alone(kb: Path) -> None:
    before = contents(kb)
    answers = {run(ASK, str(kb), *QUESTIONS, PYTHONHASHSEED=seed) for seed in ("1", "2")}
    assert len(answers) == 1
    assert contents(kb) == before


def test_opening_the_toolset_imports_nothing_heavy(kb: Path) -> None:
    code = """
import sys
from pathlib import Path
from fleetgym.contracts.sandbox import Limits
from fleetgym_kb.toolset import SPECS, open_toolset
open_toolset({"kb": Path(sys.argv[1])}, Limits())["list_cti_report_tags"]()
print(*sorted({"chromadb", "onnxruntime", "numpy", "tokenizers"} & set(sys.modules)))
"""
    assert run(code, str(kb)) == "\n"


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in /proc")
def test_a_server_that_preloaded_has_one_thread_and_its_forks_can_search(
    kb: Path, tmp_path: Path
) -> None:
    code = """
import importlib, os, sys
from pathlib import Path
from fleetgym.contracts.sandbox import Limits
from fleetgym_kb import toolset
for module in toolset.PRELOAD:
    importlib.import_module(module)
toolset.warm()
print(len(os.listdir("/proc/self/task")), "onnxruntime" in sys.modules, flush=True)
child = os.fork()
if not child:
    search = toolset.open_toolset({"kb": Path(sys.argv[1])}, Limits())["search_cti_reports"]
    print("linux-pam-backdoor" in search(query="authentication module replaced"), flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    # The fork ends as a killed one would, without deleting its copy.
    assert run(code, str(kb), TMPDIR=str(tmp_path)) == "1 True\nTrue\n"


def test_nothing_is_written_outside_the_scratch_directory_and_that_is_removed(
    kb: Path, tmp_path: Path
) -> None:
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    home.mkdir()
    scratch.mkdir()
    environment = {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "TMPDIR": str(scratch),
        "CI": "",
        "GITHUB_ACTIONS": "",
    }
    run(ASK, str(kb), "anything", **environment)
    assert contents(tmp_path) == {}
    assert list(scratch.iterdir()) == []
