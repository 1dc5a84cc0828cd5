from __future__ import annotations

from typing import Any

import pytest

from fleetgym.contracts.errors import ModelError
from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.policy import Exchange, Say, Use
from fleetgym.policy.dialect import read, write


def chat(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages), **more}


def called(arguments: str, result: object, *, identity: str = "call_1") -> list[dict[str, Any]]:
    function = {"name": "look", "arguments": arguments}
    tool_call = {"id": identity, "type": "function", "function": function}
    return [
        {"role": "assistant", "content": None, "tool_calls": [tool_call]},
        {"role": "tool", "tool_call_id": identity, "content": result},
    ]


def test_the_prompt_is_what_was_said_before_the_model_spoke() -> None:
    parts = [{"type": "text", "text": "find "}, {"type": "text", "text": "it"}]
    body = chat(
        {"role": "system", "content": "You seek."},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": "Aha."},
        {"role": "user", "content": "Go on."},
    )
    assert read(body).prompt == "You seek.\n\nfind it"


def test_a_prompt_that_was_cut_off_is_sought_among_what_is_left() -> None:
    body = chat(
        {"role": "system", "content": "You seek."},
        {"role": "assistant", "content": "Aha."},
        {"role": "user", "content": "Find it."},
    )
    assert read(body).prompt == "You seek.\n\nFind it."


def test_calls_are_paired_with_their_results_by_id() -> None:
    first = called('{"place": "hall"}', "one")
    second = called('{"place": "attic"}', [{"type": "text", "text": "two"}], identity="call_2")
    body = chat(first[0], second[0], second[1], first[1])
    assert read(body).exchanges == (
        Exchange(call=ToolCall("look", {"place": "hall"}), result=ToolResult("one")),
        Exchange(call=ToolCall("look", {"place": "attic"}), result=ToolResult("two")),
    )


def test_a_call_without_result_has_not_happened() -> None:
    assert read(chat(called("{}", "x")[0])).exchanges == ()


@pytest.mark.parametrize("arguments", ['{"place": "ha', "[1]", '{"x": NaN}', '{"x": 1e999}'])
def test_a_call_with_malformed_arguments_is_left_out(arguments: str) -> None:
    assert read(chat(*called(arguments, "x"))).exchanges == ()


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        pytest.param("Error: no such table", True, id="plain"),
        pytest.param("Tool error: no such table", True, id="tool error"),
        pytest.param("Error executing tool. ToolException('x')", True, id="wrapped"),
        pytest.param("ToolException('no such table')", True, id="exception"),
        pytest.param("[ERROR] no such table", True, id="bracketed"),
        pytest.param("Query failed: no such table", True, id="failed"),
        pytest.param('{"error": "No reports found"}', False, id="JSON is a result"),
        pytest.param('{"Tables": [{"Rows": [["error"]]}]}', False, id="error among the data"),
        pytest.param("Submitted. The episode is over.", False, id="acknowledgement"),
        pytest.param("No errors were found", False, id="errors denied"),
        pytest.param("# Error budget policy\n\nText", False, id="heading of a document"),
        pytest.param("", False, id="empty"),
    ],
)
def test_a_failure_is_read_from_the_first_words(text: str, failed: bool) -> None:
    (exchange,) = read(chat(*called("{}", text))).exchanges
    assert exchange.result.is_error == failed


def test_offered_are_the_tools_of_the_request_unless_none_may_be_called() -> None:
    parameters = {"type": "object", "properties": {"place": {"default": "hall"}}}
    tools = [{"type": "function", "function": {"name": "look", "parameters": parameters}}]
    offered = read(chat({"role": "user", "content": "x"}, tools=tools)).offered
    assert offered["look"].schema_of("place") == {"default": "hall"}
    assert not read(chat({"role": "user"}, tools=tools, tool_choice="none")).offered


def test_what_is_not_a_chat_is_refused_with_the_place() -> None:
    with pytest.raises(ModelError, match=r"messages\.0\.content") as refused:
        read(chat({"role": "user", "content": 5}))
    assert refused.value.status == 400


def test_a_move_is_read_back_as_it_was_written() -> None:
    message, finish_reason = write(Use("look", '{"place":"hall"}'), "call_9")
    result = {"role": "tool", "tool_call_id": "call_9", "content": "dark"}
    (exchange,) = read(chat(message, result)).exchanges
    assert (exchange.call, finish_reason) == (ToolCall("look", {"place": "hall"}), "tool_calls")
    assert write(Say("Done."), "call_9") == ({"role": "assistant", "content": "Done."}, "stop")
