from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from fleetgym.sandboxes import provider

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def no_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")


@pytest.mark.usefixtures("no_daemon")
def test_gc_removes_directories_of_the_dead_where_there_is_no_docker(
    fleetgym: Run, own_home: Path
) -> None:
    jails = own_home / "cache" / "jails"
    with closing(provider("none")):
        living = set(jails.glob("*"))
        code = "import os, fleetgym.sandboxes as s; s.provider('none'); os.kill(os.getpid(), 9)"
        subprocess.run([sys.executable, "-c", code], check=False)
        (left,) = set(jails.glob("*")) - living

        looked = json.loads(fleetgym("sandbox", "gc", "--dry-run", "--json").stdout)
        assert left.exists()
        removed = fleetgym("sandbox", "gc")

        assert set(jails.glob("*")) == living
    assert [one["name"] for one in looked["left"]] == [str(left)]
    assert "could not be reached" in looked["no_daemon"]
    assert removed.returncode == 0
    assert "1 were removed." in removed.stdout
    assert "No containers were looked for." in removed.stderr
