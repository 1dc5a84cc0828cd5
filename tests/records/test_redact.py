import json

import pytest

from fleetgym.records.redact import Redactor


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param("sk-proj-abcdefghijklmnopqrstuvwxyz012345", id="openai"),
        pytest.param("AKIAABCDEFGHIJKLMNOP", id="aws"),
        pytest.param("ghp_abcdefghijklmnopqrstuvwxyz0123456789", id="github"),
        pytest.param("xoxb-1234567890-abcdefghij", id="slack"),
        pytest.param("eyJhbGciOiJI.eyJzdWIiOiIxMjM0.SflKxwRJSMeKKF2QT4", id="jwt"),
    ],
)
def test_what_has_the_shape_of_a_key_is_redacted(secret: str) -> None:
    redacted = Redactor().text(f"before {secret} after")

    assert secret not in redacted
    assert redacted.startswith("before [redacted:")
    assert redacted.endswith("] after")


def test_a_bearer_token_is_redacted_and_the_word_before_it_stays() -> None:
    assert Redactor().text("Authorization: Bearer abcdefghijklmnop1234") == (
        "Authorization: Bearer [redacted:bearer]"
    )


def test_an_exact_secret_is_redacted_in_json_text_that_escapes_it() -> None:
    secret = 'pass"word\\with quotes'
    text = json.dumps({"key": secret})

    assert json.loads(Redactor([secret]).text(text)) == {"key": "[redacted:secret]"}


@pytest.mark.parametrize(
    "harmless",
    [
        pytest.param("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", id="sha"),
        pytest.param("3f2a7c1e-5b6d-4e8f-9a0b-1c2d3e4f5a6b", id="guid"),
        pytest.param("/usr/bin/python3 -m http.server 8080", id="command"),
        pytest.param("task-force-sk-1", id="short"),
    ],
)
def test_telemetry_is_left_alone(harmless: str) -> None:
    assert Redactor(["a-provider-key"]).text(harmless) == harmless


def test_text_as_short_as_a_word_is_no_secret() -> None:
    assert Redactor(["", "key"]).text("a key to the city") == "a key to the city"
