"""`fleetgym tools from-mcp`, as a user calls it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from fleetgym.contracts.catalogue import read_catalogue

Run = Callable[..., subprocess.CompletedProcess[str]]

DESK = Path(__file__).parents[2] / "envs/service_desk/src/fleetgym_env_service_desk"
COMMAND = ("{python}", "{server}/desk_server.py", "{data}/desk.json")


def test_the_desks_catalogue_is_what_its_server_lists(fleetgym: Run, tmp_path: Path) -> None:
    out = tmp_path / "tools.json"

    done = fleetgym(
        "tools", "from-mcp", "--out", out, "--mount", f"server={DESK / 'server'}", "--json", "--",
        *COMMAND,
    )  # fmt: skip

    assert out.read_text() == (DESK / "tools.json").read_text(), done.stderr
    listed = json.loads(done.stdout)
    assert [one["tool"] for one in listed] == [tool.name for tool in read_catalogue(out)]
    assert [one["tool"] for one in listed if one["destructive"]] == ["assign_incident"]


def test_a_server_that_cannot_be_started_leaves_the_catalogue_alone(
    fleetgym: Run, tmp_path: Path
) -> None:
    out = tmp_path / "tools.json"

    done = fleetgym("tools", "from-mcp", "--out", out, "--", "no-such-server")

    assert "'no-such-server' cannot be started" in done.stderr
    assert (done.returncode, out.exists()) == (2, False)
