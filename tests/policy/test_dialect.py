from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import validate

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
    message, finish_reason = write(Use("look", '{"place":"hall"}'), "call_9", chat())
    result = {"role": "tool", "tool_call_id": "call_9", "content": "dark"}
    (exchange,) = read(chat(message, result)).exchanges
    assert (exchange.call, finish_reason) == (ToolCall("look", {"place": "hall"}), "tool_calls")
    assert write(Say("Done."), "call_9", chat()) == (
        {"role": "assistant", "content": "Done."},
        "stop",
    )


REACT = """Answer as well as you can. You have these tools:

Tool Name: look
Tool Arguments: {
  "properties": {"place": {"type": "string"}, "depth": {"default": 3}}
}
Tool Description: Looks.

Thought: you should always think about what to do
Action: the action to take, only one name of [look, submit], just the name
Action Input: the input to the action, just a JSON object
Observation: the result of the action"""


def test_tools_that_are_asked_for_in_text_are_called_in_text() -> None:
    body = chat({"role": "system", "content": REACT}, {"role": "user", "content": "Find it."})
    conversation = read(body)
    assert set(conversation.offered) == {"look", "submit"}
    assert conversation.offered["look"].schema_of("depth") == {"default": 3}
    assert conversation.exchanges == ()
    message, reason = write(Use("look", '{"place": "hall"}'), "call_1", body)
    assert (message["content"], reason) == (
        'Thought: This is what to do next.\nAction: look\nAction Input: {"place": "hall"}',
        "stop",
    )
    said, _ = write(Say("Done."), "call_2", body)
    assert said["content"].endswith("\nFinal Answer: Done.")


HALL = '{"place": "hall", "note": "a } and\\na \\"Thought: x\\""}'


@pytest.mark.parametrize("apart", [False, True])
def test_what_came_of_calls_in_text_is_read_from_one_message_or_many(apart: bool) -> None:
    first = f"Thought: First.\nAction: look\nAction Input: {HALL}"
    seen = "Observation: dark\n\nThought of as cold"
    second = "Thought: Then.\nAction: look\nAction Input: {}"
    texts = [first, f"{seen}\n", second, "Observation: Error: no place"]
    if not apart:
        texts = ["\n".join(texts)]
    roles = ("assistant", "user") * 3
    texts.append("Look at the result and go on.")
    turns = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]
    begun = [{"role": "system", "content": REACT}, {"role": "user", "content": "Find it."}]
    found = read(chat(*begun, *turns)).exchanges
    assert [(e.call.name, e.result.content, e.result.is_error) for e in found] == [
        ("look", "dark\n\nThought of as cold", False),
        ("look", "Error: no place", True),
    ]
    assert found[0].call.arguments["note"] == 'a } and\na "Thought: x"'


@pytest.mark.parametrize("result", ['{"place": ["dark"]}', "It is dark.\n\nAnd cold."])
def test_a_reminder_of_the_form_is_no_part_of_a_result(result: str) -> None:
    told = f"Action: look\nAction Input: {{}}\nObservation: {result}\n\n{REACT[30:]}"
    begun = {"role": "system", "content": REACT}
    (found,) = read(chat(begun, {"role": "assistant", "content": told})).exchanges
    assert found.result.content == result


def observed(text: str) -> list[dict[str, Any]]:
    call = {
        "id": "1",
        "type": "function",
        "function": {"name": "look", "arguments": {"place": "x"}},
    }
    return [
        {"role": "assistant", "content": [{"type": "text", "text": f"Calling tools:\n{[call]}"}]},
        {"role": "user", "content": [{"type": "text", "text": text}]},
    ]


def test_results_may_come_as_words_of_the_user() -> None:
    begun = {"role": "user", "content": "Find it."}
    turns = observed("Observation:\ndark") + observed("Call id: 1\nError:\nno place\nNow retry.")
    found = read(chat(begun, *turns)).exchanges
    assert found == (
        Exchange(call=ToolCall("look", {"place": "x"}), result=ToolResult("dark")),
        Exchange(
            call=ToolCall("look", {"place": "x"}),
            result=ToolResult("Error: no place\nNow retry.", is_error=True),
        ),
    )
    torn = [
        {"role": "assistant", "content": "Calling tools:\n[{'id': "},
        observed("Observation:\n")[1],
    ]
    assert read(chat(begun, *torn)).exchanges == ()


def test_where_a_tool_has_to_be_called_the_last_word_is_one() -> None:
    final = {
        "type": "function",
        "function": {
            "name": "final_answer",
            "parameters": {"type": "object", "properties": {"answer": {"type": "string"}}},
        },
    }
    message, _ = write(Say("Done."), "call_1", chat(tools=[final], tool_choice="required"))
    (call,) = message["tool_calls"]
    assert call["function"] == {"name": "final_answer", "arguments": '{"answer": "Done."}'}
    message, _ = write(Say("Done."), "call_1", chat(tools=[final], tool_choice="auto"))
    assert message["content"] == "Done."


_FORMATS: list[tuple[dict[str, Any], Any]] = [
    ({"type": "object", "properties": {"text": {"type": "string"}}}, {"text": "Done."}),
    (
        {
            "$defs": {"Step": {"type": "object", "properties": {"kind": {"enum": ["a", "b"]}}}},
            "type": "object",
            "properties": {
                "steps": {"type": "array", "minItems": 2, "items": {"$ref": "#/$defs/Step"}},
                "more": {"type": "array", "items": {"type": "integer"}},
                "count": {"type": "integer", "minimum": 3},
                "maybe": {"anyOf": [{"type": "null"}, {"type": "string"}]},
                "sure": {"type": "boolean"},
            },
        },
        {"steps": [{"kind": "a"}] * 2, "more": [], "count": 3, "maybe": None, "sure": False},
    ),
    ({"$ref": "#/$defs/Loop", "$defs": {"Loop": {"$ref": "#/$defs/Loop"}}}, None),
]


@pytest.mark.parametrize(("schema", "expected"), _FORMATS)
def test_words_are_put_into_the_form_that_is_asked_for(schema: Any, expected: Any) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    message, _ = write(Say("Done."), "call_1", chat(response_format=wanted))
    assert json.loads(message["content"]) == expected
    if expected is not None:
        validate(expected, schema)
    message, _ = write(Say("Done."), "call_1", chat(response_format={"type": "json_object"}))
    assert json.loads(message["content"]) == {"answer": "Done."}


LOOKS = [{"type": "function", "function": {"name": "look"}}]


def test_several_calls_are_written_as_one_answer_with_an_identity_each() -> None:
    move = Use("look", '{"place": "hall"}', beside=(Use("look", '{"place": "attic"}'),))
    message, reason = write(move, "call_7", chat({"role": "user", "content": "go"}, tools=LOOKS))
    assert reason == "tool_calls"
    assert [(c["id"], c["function"]["arguments"]) for c in message["tool_calls"]] == [
        ("call_7", '{"place": "hall"}'),
        ("call_7_1", '{"place": "attic"}'),
    ]


@pytest.mark.parametrize(
    ("more", "several"),
    [
        pytest.param({"tools": LOOKS}, True, id="native tools"),
        pytest.param({"tools": LOOKS, "parallel_tool_calls": True}, True, id="asked for"),
        pytest.param({"tools": LOOKS, "parallel_tool_calls": False}, False, id="forbidden"),
        pytest.param({}, False, id="no tools"),
        pytest.param(
            {
                "tools": [
                    *LOOKS,
                    {
                        "type": "function",
                        "function": {
                            "name": "final_answer",
                            "parameters": {"properties": {"answer": {"type": "string"}}},
                        },
                    },
                ],
                "tool_choice": "required",
            },
            False,
            id="results come as words, which nobody could tell apart",
        ),
    ],
)
def test_a_request_says_whether_several_calls_may_be_asked_for(
    more: dict[str, Any], several: bool
) -> None:
    assert read(chat({"role": "user", "content": "go"}, **more)).several is several
