from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from fleetgym.contracts.errors import SandboxError, ToolError
from fleetgym.contracts.sandbox import Limits
from fleetgym_kb import desk, runbooks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fleetgym.contracts.sandbox import ToolFunction

ALERT = {
    "id": "ALR-12345",
    "time": "2026-03-02T10:00:00Z",
    "severity": "low",
    "rule": "linux-autostart",
    "title": "Start-up or access configuration written on web01",
    "entity": "web01",
}
CHANGES = [
    {"id": f"CHG-{n}", "asset": "web01" if n % 2 else "DB01", "account": "jane"} for n in range(43)
]
ASSETS = [{"name": "web01.corp.example", "addresses": ["10.0.0.7"], "kind": "server"}]
CONTACTS = [{"name": "Jane Doe", "accounts": ["jane@corp.example", "jdoe"]}]


@pytest.fixture
def tools(tmp_path: Path) -> Mapping[str, ToolFunction]:
    content = {"alerts": [ALERT], "changes": CHANGES, "assets": ASSETS, "contacts": CONTACTS}
    (tmp_path / desk.DESK).write_text(json.dumps(content), "utf-8")
    return desk.open_toolset({"data": tmp_path}, Limits())


def _call(tools: Mapping[str, ToolFunction], tool: str, /, **arguments: Any) -> Any:
    return json.loads(tools[tool](**arguments))


def test_every_spec_has_its_function_and_nothing_else_is_offered(
    tools: Mapping[str, ToolFunction],
) -> None:
    assert [spec.name for spec in desk.SPECS] == list(tools)


def test_an_instance_without_a_desk_is_an_infrastructure_failure(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"The mount 'data' holds no desk\.json\."):
        desk.open_toolset({"data": tmp_path}, Limits())


def test_the_list_of_alerts_is_short_and_one_alert_is_whole(
    tools: Mapping[str, ToolFunction],
) -> None:
    assert _call(tools, "list_alerts") == [{k: v for k, v in ALERT.items() if k != "entity"}]
    assert _call(tools, "get_alerts", alert_ids=["alr-12345 "]) == [ALERT]


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        (
            "get_alerts",
            {"alert_ids": ["ALR-12354"]},
            "no alert 'ALR-12354'. Did you mean 'ALR-12345'?",
        ),
        (
            "get_alerts",
            {"alert_ids": ["first"]},
            "no alert 'first'. `list_alerts` shows the queue.",
        ),
        ("get_runbooks", {"names": ["linux-autstart"]}, "Did you mean 'linux-autostart'?"),
        ("list_changes", {"page": 4}, "There is no page 4: the last of these is 3."),
    ],
)
def test_a_wrong_name_is_answered_with_what_to_try(
    tools: Mapping[str, ToolFunction], tool: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ToolError) as refused:
        tools[tool](**arguments)
    assert message in str(refused.value)


def test_the_calendar_comes_in_pages_that_together_are_all_of_it(
    tools: Mapping[str, ToolFunction],
) -> None:
    pages = [_call(tools, "list_changes", page=number) for number in (1, 2, 3)]
    assert [page["pages"] for page in pages] == [3, 3, 3]
    assert [change for page in pages for change in page["changes"]] == CHANGES


def test_the_calendar_is_narrowed_by_asset_and_account_whatever_their_case(
    tools: Mapping[str, ToolFunction],
) -> None:
    found = _call(tools, "list_changes", asset="db01", account="JANE")
    assert found["total"] == 22
    assert {change["asset"] for change in found["changes"]} == {"DB01"}
    assert _call(tools, "list_changes", account="joe")["changes"] == []


@pytest.mark.parametrize("name", ["web01.corp.example", "WEB01.corp.example", "10.0.0.7"])
def test_an_asset_is_found_by_name_and_by_address(
    tools: Mapping[str, ToolFunction], name: str
) -> None:
    assert _call(tools, "get_assets", names=[name]) == ASSETS


@pytest.mark.parametrize("account", ["Jane Doe", "jane@corp.example", "JDOE"])
def test_a_person_is_found_by_every_account(
    tools: Mapping[str, ToolFunction], account: str
) -> None:
    assert _call(tools, "get_contacts", accounts=[account]) == CONTACTS


def test_what_is_not_ours_is_an_answer_and_no_error(tools: Mapping[str, ToolFunction]) -> None:
    stranger, own = _call(tools, "get_assets", names=["192.0.2.1", "10.0.0.7"])
    assert (stranger["known"], own) == (False, ASSETS[0])
    assert _call(tools, "get_contacts", accounts=["mallory"])[0]["known"] is False


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("true or false positive verdict reason", "deciding-a-verdict"),
        ("scope of the incident: follow account and address", "scoping-an-incident"),
        ("evidence rows, order of stages, record ids", "writing-the-incident-report"),
        ("cron systemd unit authorized_keys written", "linux-autostart"),
        ("secrets of a key vault", "cloud-vault-harvest"),
        ("exec into a pod", "aks-pod-exec"),
        ("inbox rule that forwards mail", "cloud-mailbox-rule"),
    ],
)
def test_a_runbook_is_found_by_its_words(
    tools: Mapping[str, ToolFunction], query: str, name: str
) -> None:
    assert _call(tools, "search_runbooks", query=query)[0]["name"] == name


def test_words_that_no_runbook_has_find_none(tools: Mapping[str, ToolFunction]) -> None:
    assert _call(tools, "search_runbooks", query="zebra crossing") == []


@pytest.mark.parametrize("book", runbooks.load(), ids=lambda book: book.name)
def test_a_runbook_starts_with_its_title(book: runbooks.Runbook) -> None:
    assert book.text.startswith(f"# {book.title}\n")
    assert len(book.text.split()) >= 50
