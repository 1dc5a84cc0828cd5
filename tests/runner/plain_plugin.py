"""A plugin that is a loop over plain HTTP, and that breaks its promises one by one when told to."""

from __future__ import annotations

import sys
from pathlib import Path

from fleetgym.contracts.specs import FrameworkSpec
from fleetgym.registry import RegisteredFramework

__all__ = ["install_plain"]

_PLUGIN = """
from fleetgym.contracts.specs import FrameworkSpec
from fleetgym.hookspecs import hookimpl

@hookimpl
def register_frameworks(register):
    register(FrameworkSpec(
        name="plain", entry_point="plain_framework:Plain", distributions=("plain",),
        topologies=("single", "relay"), summary="a loop",
    ))
"""

_FRAMEWORK = """
import json, time
import httpx
from fleetgym.contracts.episode import passed
from fleetgym.contracts.errors import EpisodeOver

WRONG = "{wrong}"

class Plain:
    name = "plain"
    topologies = ("single", "relay")
    defaults = {{"max_retries": 2, "max_rounds": 60, "timeout_s": 60.0}}

    def warm(self):
        pass

    def versions(self):
        return {{"plain": "8" if WRONG == "version" else "7"}}

    def run(self, episode, topology, parameters):
        brief = episode.brief
        if topology == "single":
            return work(episode, "main", brief.system, brief.tools, brief.task, parameters)
        said = brief.task
        for number, one in enumerate(brief.team.members):
            tools = brief.tools if WRONG == "tools" else brief.tools_of(one)
            said += work(episode, one.name, one.system, tools, said, parameters)
            after = brief.team.members[number + 1 :]
            if after and WRONG != "untold":
                episode.emit(passed("handoff", one.name, after[0].name, said))
        return said

def work(episode, name, system, tools, task, parameters):
    end = episode.model("main" if WRONG == "identity" else name)
    messages = [
        {{"role": "system", "content": "" if WRONG == "system" else system}},
        {{"role": "user", "content": task}},
    ]
    declared = [
        {{"type": "function", "function": {{
            "name": one.name, "description": one.description, "parameters": dict(one.parameters)
        }}}}
        for one in tools
    ]
    for _ in range(100 if WRONG == "rounds" else parameters["max_rounds"]):
        body = {{"model": end.model, "messages": messages, "tools": declared}}
        if WRONG != "seed":
            body["seed"] = episode.seed
        message = ask(end, body, parameters)["choices"][0]["message"]
        messages.append(message)
        calls = message.get("tool_calls") or []
        if not calls:
            return "" if WRONG == "closing" else message["content"]
        for call in calls[:1] if WRONG == "one" else calls:
            given = json.loads(call["function"]["arguments"])
            if WRONG == "arguments":
                given = {{key: str(value) for key, value in given.items()}}
            agent = "main" if WRONG == "agent" else name
            try:
                result = episode.call(call["function"]["name"], given, agent=agent).content
            except EpisodeOver:
                if WRONG != "over":
                    raise
                time.sleep(60)
            if WRONG == "refusals" and result.startswith("Error"):
                result = "Error: no."
            messages.append({{"role": "tool", "tool_call_id": call["id"], "content": result}})
    return "out of rounds"

def ask(end, body, parameters):
    headers = {{**end.headers, "Authorization": "Bearer " + end.api_key}}
    wait = None if WRONG == "patience" else parameters["timeout_s"]
    tries = 0
    while True:
        reply = httpx.post(
            end.base_url + "/chat/completions", json=body, headers=headers, timeout=wait,
            trust_env=False, verify=False,
        )
        if reply.is_success:
            return reply.json()
        tries += 1
        if WRONG == "stubborn" and reply.status_code == 500:
            time.sleep(0.2)
        elif tries > parameters["max_retries"] or reply.status_code != 500:
            reply.raise_for_status()
"""


def install_plain(folder: Path, wrong: str = "") -> RegisteredFramework:
    """Write the plugin into ``folder``, which is on no path yet, and return it.

    Args:
        folder: It is made.
        wrong: The promise that it breaks; none by default.
    """
    meta = folder / "plain-7.dist-info"
    meta.mkdir(parents=True)
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: plain\nVersion: 7\n")
    (meta / "entry_points.txt").write_text("[fleetgym]\nplain = plain_plugin\n")
    (folder / "plain_plugin.py").write_text(_PLUGIN)
    (folder / "plain_framework.py").write_text(_FRAMEWORK.format(wrong=wrong))
    defaults = {"max_retries": 2, "max_rounds": 60, "timeout_s": 60.0}
    if wrong == "undeclared":
        del defaults["max_rounds"]
    return RegisteredFramework(
        spec=FrameworkSpec(
            name="plain",
            entry_point="plain_framework:Plain",
            distributions=("plain",),
            topologies=("single", "relay"),
            summary="a loop",
            environment={"PYTHONPATH": str(folder)},
        ),
        python=Path(sys.executable),
        versions={"plain": "7"},
        defaults=defaults,
    )
