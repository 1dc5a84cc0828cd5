"""The tools of the security desk: alert queue, runbooks, inventory, change calendar, contacts.

They run in the sandbox. The runbooks are this package's; everything else is the instance's own,
read from :data:`DESK` in the mount ``data``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import SandboxError, ToolError, did_you_mean
from fleetgym.contracts.tools import ToolSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fleetgym.contracts.sandbox import Limits, ToolFunction

__all__ = ["DESK", "HIDDEN", "PRELOAD", "SPECS", "open_toolset"]

DESK = "desk.json"
"""The file, in the mount ``data``: ``alerts``, ``changes``, ``assets`` and ``contacts``."""

HIDDEN = frozenset[str]()
PRELOAD = ("fleetgym_kb.runbooks",)

_PAGE = 10
_FOUND = 5


def _schema(required: Sequence[str] = (), **properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _string(description: str) -> Mapping[str, Any]:
    return {"type": "string", "description": description}


SPECS = (
    ToolSpec(
        name="list_alerts",
        description="List the alerts of the queue, oldest first: id, time, severity, rule, title.",
        parameters=_schema(),
    ),
    ToolSpec(
        name="get_alert",
        description="Return one alert in full: its entity, its tables, and when the events that "
        "raised it happened.",
        parameters=_schema(["alert_id"], alert_id=_string("As `list_alerts` spells it.")),
    ),
    ToolSpec(
        name="search_runbooks",
        description=f"Search the runbooks by words; returns the {_FOUND} best with their names.",
        parameters=_schema(["query"], query=_string("Words, for example 'order the kill chain'.")),
    ),
    ToolSpec(
        name="get_runbook",
        description="Return one runbook in full. Each alert rule has a runbook of its own name.",
        parameters=_schema(["name"], name=_string("Name of a rule or of a procedure.")),
    ),
    ToolSpec(
        name="get_asset",
        description="Look up the asset inventory by name or by address: servers, clusters, "
        "vaults, storage accounts, applications, gateways, scanners.",
        parameters=_schema(["name"], name=_string("A name or an IP address.")),
    ),
    ToolSpec(
        name="list_changes",
        description="List the change calendar (changes and drills, whatever became of them), "
        f"{_PAGE} a page, in order of time. Filters narrow it.",
        parameters=_schema(
            asset=_string("Only entries for this asset."),
            account=_string("Only entries for this account."),
            page={"type": "integer", "minimum": 1, "default": 1},
        ),
    ),
    ToolSpec(
        name="get_contact",
        description="Look up a person by any account: names, team, workstation, usual addresses.",
        parameters=_schema(["account"], account=_string("A Linux account or a user's sign-in.")),
    ),
)


def open_toolset(mounts: Mapping[str, Path], limits: Limits) -> Mapping[str, ToolFunction]:
    """Read the desk of one instance and return its tools.

    Raises:
        SandboxError: The mount holds no desk.
    """
    del limits
    path = mounts["data"] / DESK
    if not path.is_file():
        raise SandboxError(f"The mount 'data' holds no {DESK}.")
    desk = _Desk(json.loads(path.read_text("utf-8")))
    return {spec.name: getattr(desk, spec.name) for spec in SPECS}


class _Desk:
    """The functions behind :data:`SPECS`, under the same names."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._alerts: dict[str, Any] = {alert["id"]: alert for alert in data["alerts"]}
        self._changes: list[Any] = data["changes"]
        self._assets = _by_any_name(data["assets"], "name", "addresses")
        self._contacts = _by_any_name(data["contacts"], "name", "accounts")

    def list_alerts(self) -> str:
        shown = ("id", "time", "severity", "rule", "title")
        return json.dumps([{key: a[key] for key in shown} for a in self._alerts.values()])

    def get_alert(self, alert_id: str) -> str:
        alert = self._alerts.get(alert_id.strip().upper())
        if alert is None:
            hint = did_you_mean(alert_id, self._alerts) or "`list_alerts` shows the queue."
            raise ToolError(f"There is no alert {alert_id!r}. {hint}")
        return json.dumps(alert)

    def search_runbooks(self, query: str) -> str:
        from fleetgym_kb import runbooks  # noqa: PLC0415 - of no use to SPECS

        found = runbooks.search(query, _FOUND)
        return json.dumps([{"name": book.name, "title": book.title} for book in found])

    def get_runbook(self, name: str) -> str:
        from fleetgym_kb import runbooks  # noqa: PLC0415 - of no use to SPECS

        books = {book.name: book for book in runbooks.load()}
        book = books.get(name.strip().lower())
        if book is None:
            hint = did_you_mean(name, books) or "`search_runbooks` finds them by words."
            raise ToolError(f"There is no runbook {name!r}. {hint}")
        return book.text

    def get_asset(self, name: str) -> str:
        asset = self._assets.get(name.strip().lower())
        if asset is None:
            return _unknown(name, "Not in the inventory: not ours, or not under this name.")
        return json.dumps(asset)

    def list_changes(self, asset: str = "", account: str = "", page: int = 1) -> str:
        kept = [
            change
            for change in self._changes
            if (not asset or change["asset"].lower() == asset.strip().lower())
            and (not account or change["account"].lower() == account.strip().lower())
        ]
        pages = max(1, -(-len(kept) // _PAGE))
        if page > pages:
            raise ToolError(f"There is no page {page}: the last of these is {pages}.")
        shown = kept[(page - 1) * _PAGE : page * _PAGE]
        return json.dumps({"page": page, "pages": pages, "total": len(kept), "changes": shown})

    def get_contact(self, account: str) -> str:
        contact = self._contacts.get(account.strip().lower())
        if contact is None:
            return _unknown(account, "Nobody's account. Applications are in the inventory.")
        return json.dumps(contact)


def _unknown(name: str, note: str) -> str:
    return json.dumps({"name": name, "known": False, "note": note})


def _by_any_name(
    entries: Sequence[Mapping[str, Any]], name: str, others: str
) -> dict[str, Mapping[str, Any]]:
    return {str(word).lower(): entry for entry in entries for word in (entry[name], *entry[others])}
