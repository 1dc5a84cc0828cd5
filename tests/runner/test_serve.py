"""Agents from outside, which speak nothing but HTTP."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetgym.contracts.record import Outcome
from fleetgym.records.store import scan

Run = Callable[..., subprocess.CompletedProcess[str]]

# Standard library alone: what docs/protocol.md says is all that it knows.
AGENT = """\
import json, os, urllib.error, urllib.request

def ask(url, body=None, token=os.environ["FLEETGYM_TOKEN"]):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())

episode = os.environ["FLEETGYM_EPISODE"]
_, brief = ask(f"{episode}/brief")
log = {
    "brief": brief,
    "no token": ask(f"{episode}/brief", token="wrong")[0],
    "no episode": ask(episode[:-1] + "x/brief")[0],
    "no json": ask(f"{episode}/tools/look", [1])[0],
    "wrong tool": ask(f"{episode}/tools/lok", {"arguments": {}}),
    "event": ask(f"{episode}/events", {"kind": "decision", "attributes": {"why": "to see"}})[0],
    "look": ask(f"{episode}/tools/look", {"arguments": {"place": "here"}}),
}
messages = [
    {"role": "system", "content": brief["system"]},
    {"role": "user", "content": brief["task"]},
]
tools = [
    {"type": "function", "function": {k: tool[k] for k in ("name", "description", "parameters")}}
    for tool in brief["tools"]
]
base = brief["model"]["base_url"].format(agent="outsider")
log["model"] = ask(
    f"{base}/chat/completions",
    {"model": brief["model"]["name"], "messages": messages, "tools": tools},
)
number = int(log["look"][1]["content"])
log["submit"] = ask(f"{episode}/submit", {"artifact": {"number": number}})
log["after"] = ask(f"{episode}/tools/look", {"arguments": {"place": "here"}})[0]
json.dump(log, open(os.environ["LOG"], "w"))
"""


def test_an_agent_that_only_speaks_http_plays_is_scored_and_recorded(
    fleetgym: Run, tmp_path: Path
) -> None:
    (tmp_path / "agent.py").write_text(AGENT)
    out, log = tmp_path / "runs", tmp_path / "log.json"

    done = fleetgym(
        "serve", "tiny/number", "--seed", "6", "--sandbox", "none", "--model", "policy/expert",
        "--out", out, "--json", "--", sys.executable, tmp_path / "agent.py",
        environment={"LOG": str(log)},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"] == "success"
    saw = json.loads(log.read_text())
    assert (saw["no token"], saw["no episode"], saw["no json"]) == (401, 404, 400)
    assert saw["wrong tool"][0] == 200
    assert saw["wrong tool"][1]["is_error"]
    assert saw["look"][1] == {"content": "42", "is_error": False, "over": False}
    assert saw["model"][1]["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "look"
    assert saw["submit"][1]["over"]
    assert (saw["event"], saw["after"]) == (204, 410)
    assert "reward" not in log.read_text()
    (record,) = scan(out).records
    assert record.outcome is Outcome.SUCCESS
    assert record.key.framework == "external"
    assert [step.name for step in record.steps] == ["lok", "look", "submit"]
    assert record.events[0]["attributes"] == {"why": "to see"}
    assert [call.agent for call in record.model_calls] == ["outsider"]


def test_an_agent_that_never_submits_is_recorded_as_that(fleetgym: Run, tmp_path: Path) -> None:
    done = fleetgym(
        "serve", "tiny/number", "--sandbox", "none", "--out", tmp_path, "--json",
        "--", sys.executable, "-c", "pass",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"] == "no_submission"
    assert done.stderr.count("--sandbox none ISOLATES NOTHING") == 1


# A job that a shell has put into the background ignores SIGINT, and so do its children.
HEARS_SIGNALS = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "from fleetgym.cli import main; main()"
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_ctrl_c_ends_an_episode_that_nobody_plays_and_records_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    asked = ["serve", "tiny/number", "--sandbox", "none", "--out", str(tmp_path), "--json"]
    with subprocess.Popen(
        [sys.executable, "-c", HEARS_SIGNALS, *asked], stdout=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stdout is not None
        while serving.stdout.readline() != "}\n":  # of where the episode is
            assert serving.poll() is None
        os.kill(serving.pid, number)
        told = json.loads(serving.stdout.read())

    assert serving.returncode == 0
    assert told["outcome"] == "no_submission"
    assert [record.outcome for record in scan(tmp_path).records] == [Outcome.NO_SUBMISSION]
