from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from fleetgym.contracts.errors import SandboxError, SandboxTimeout
from fleetgym.contracts.sandbox import Limits
from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.sandboxes import conversation

if TYPE_CHECKING:
    from conftest import World

HASTY = Limits(call_seconds=0.3)


def test_a_tool_answers_with_its_text(world: World) -> None:
    with world.probe() as probe:
        assert probe.result("echo", "é\n𝄞\0") == ToolResult("é\n𝄞\0")


def test_a_wrong_call_is_an_answer_to_the_agent(world: World) -> None:
    with world.probe() as probe:
        assert probe.result("refuse", "way") == ToolResult("no way", is_error=True)


def test_an_unknown_tool_is_an_answer_to_the_agent(world: World) -> None:
    with world.probe() as probe:
        assert probe.result("ecko") == ToolResult("There is no tool 'ecko'.", is_error=True)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"text": "a", "more": 1}, id="unknown"),
        pytest.param({}, id="missing"),
        pytest.param({"self": "a"}, id="reserved"),
        pytest.param({"text": "half a pair: \ud800"}, id="surrogate"),
        pytest.param({"text": "x" * (1024**2 + 1)}, id="huge"),
    ],
)
def test_arguments_that_fit_no_tool_are_the_agents_fault(
    world: World, arguments: dict[str, str]
) -> None:
    with world.probe() as probe:
        assert probe.sandbox.call(ToolCall("sleep", arguments)).is_error
        assert probe("echo", "goes on") == "goes on"


def test_what_a_tool_prints_does_not_get_among_the_answers(world: World) -> None:
    with world.probe() as probe:
        assert [probe("say", "a"), probe("echo", "b")] == ["a", "b"]


def test_an_unexpected_exception_in_a_tool_voids_the_episode(world: World) -> None:
    with world.probe() as probe, pytest.raises(SandboxError, match=r"break_down failed.*a bug"):
        probe("break_down", "a bug")


def test_a_call_that_takes_too_long_is_stopped_and_the_episode_goes_on(world: World) -> None:
    with world.probe(limits=HASTY) as probe:
        late = ToolResult("sleep took longer than 0.3 s. Ask for less.", is_error=True)
        assert probe.result("sleep", "600") == late
        assert probe("echo", "goes on") == "goes on"


def test_a_tool_that_cannot_be_stopped_voids_the_episode(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "PATIENCE_S", 0.2)
    with world.probe(limits=HASTY) as probe:
        with pytest.raises(SandboxTimeout, match=r"hang did not answer within 0\.5 s\."):
            probe("hang")
        hung = probe.sandbox
    hung.close()
    with world.probe(limits=HASTY) as probe:
        assert probe("echo", "another one") == "another one"


def test_a_tool_that_takes_too_much_memory_is_told_so(world: World) -> None:
    with world.probe(limits=Limits(memory_bytes=256 * 1024**2)) as probe:
        told = ToolResult("allocate ran out of memory. Ask for less.", is_error=True)
        assert probe.result("allocate", str(1024**3)) == told
        assert probe("allocate", "1000") == "1000"


def test_a_long_result_is_cut_between_characters_and_says_so(world: World) -> None:
    with world.probe(limits=Limits(output_bytes=1001)) as probe:
        cut = "é" * 500 + "\n[cut: 1000 of 4000 bytes are shown; ask for less]"
        assert probe("print_much", "2000") == cut


def test_a_hidden_tool_is_callable_and_its_result_is_whole(world: World) -> None:
    with world.probe(limits=Limits(output_bytes=10)) as probe:
        assert probe("secret_echo", "x" * 10_000) == "x" * 10_000


def test_a_server_that_dies_voids_its_episode_and_is_replaced(world: World) -> None:
    with world.probe() as probe:
        with pytest.raises(SandboxError, match="died during die"):
            probe("die")
        with pytest.raises(SandboxError, match="is gone"):
            probe("echo")
    with world.probe() as probe:
        assert probe("echo", "another one") == "another one"


def test_a_server_that_talks_nonsense_voids_its_episode_and_is_replaced(world: World) -> None:
    with world.probe() as probe:
        before = probe("server")
        with pytest.raises(SandboxError):
            probe("spoil_wire")
    with world.probe() as probe:
        assert probe("server") != before


def test_the_instances_files_are_there_and_gone_in_the_next_episode(
    world: World, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (other / "folder").mkdir(parents=True)
    (other / "folder" / "file").write_text("deep")
    with world.probe() as probe:
        assert (probe("data"), probe("data", "hello")) == ("hello", "world")
    with world.probe(other) as probe:
        assert (probe("data"), probe("data", "folder/file")) == ("folder", "deep")


def test_mounts_are_there_by_name(world: World, tmp_path: Path) -> None:
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "report").write_text("read me")
    with world.probe(mounts={"kb": tmp_path / "kb"}) as probe:
        places = dict(line.split("=") for line in probe("mounted").splitlines())
        assert probe("read", f"{places['kb']}/report") == "read me"


def test_an_episode_is_closed_as_often_as_one_likes_and_then_answers_nothing(world: World) -> None:
    with world.probe() as probe:
        probe.sandbox.close()
    with pytest.raises(SandboxError, match="has been closed"):
        probe("echo")


def test_equal_specs_share_a_warm_server_and_others_do_not(world: World) -> None:
    with world.probe() as probe:
        first = probe("server")
    with world.probe() as probe:
        assert probe("server") == first
    with world.probe(limits=replace(Limits(), open_files=100)) as probe:
        assert probe("server") != first


def test_episodes_of_several_threads_do_not_meet(world: World) -> None:
    together = Barrier(4, timeout=60)

    def play(number: int) -> tuple[str, set[str]]:
        with world.probe() as probe:
            probe("write", f"of-{number}")
            together.wait()
            said = {probe("echo", f"{number}-{turn}") for turn in range(20)}
            return probe("read", "."), said

    with ThreadPoolExecutor(4) as threads:
        played = list(threads.map(play, range(4)))

    assert played == [
        (f"of-{number}", {f"{number}-{turn}" for turn in range(20)}) for number in range(4)
    ]
