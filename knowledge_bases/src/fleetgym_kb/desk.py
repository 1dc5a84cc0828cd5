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

__all__ = ["DESK", "HIDDEN", "PRELOAD", "SCOPES", "SPECS", "open_toolset"]

DESK = "desk.json"
"""The file, in the mount ``data``: ``alerts``, ``changes``, ``assets`` and ``contacts``."""

HIDDEN = frozenset[str]()
PRELOAD = ("fleetgym_kb.runbooks",)
SCOPES = ("desk:read",)

_PAGE = 20
_FOUND = 5
_AT_ONCE = 5


def _schema(required: Sequence[str] = (), **properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _string(description: str) -> Mapping[str, Any]:
    return {"type": "string", "description": description}


def _strings(description: str) -> Mapping[str, Any]:
    return {
        "type": "array",
        "items": {"type": "string"},
        "minItems": 1,
        "maxItems": _AT_ONCE,
        "description": f"{description} At most {_AT_ONCE} at once.",
    }


SPECS = (
    ToolSpec(
        name="list_alerts",
        description="List the alerts of the queue, oldest first: id, time, severity, rule, title.",
        parameters=_schema(),
    ),
    ToolSpec(
        name="get_alerts",
        description="Return alerts in full: entity, tables, when the events that raised them "
        "happened, and one of those.",
        parameters=_schema(["alert_ids"], alert_ids=_strings("As `list_alerts` spells them.")),
    ),
    ToolSpec(
        name="search_runbooks",
        description=f"Search the runbooks by words; returns the {_FOUND} best with their names.",
        parameters=_schema(["query"], query=_string("Words, for example 'order the kill chain'.")),
    ),
    ToolSpec(
        name="get_runbooks",
        description="Return runbooks in full. Each alert rule has a runbook of its own name.",
        parameters=_schema(["names"], names=_strings("Names of rules or of procedures.")),
    ),
    ToolSpec(
        name="get_assets",
        description="Look up the asset inventory by name or by address: servers, clusters, "
        "vaults, storage accounts, applications, gateways, scanners.",
        parameters=_schema(["names"], names=_strings("Names or IP addresses.")),
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
        name="get_contacts",
        description="Look up people by any account: names, team, workstation, usual addresses.",
        parameters=_schema(["accounts"], accounts=_strings("Linux accounts or users' sign-ins.")),
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

    def get_alerts(self, alert_ids: Sequence[str]) -> str:
        found: list[Mapping[str, Any]] = []
        for name in alert_ids:
            alert = self._alerts.get(name.strip().upper())
            if alert is None:
                hint = did_you_mean(name, self._alerts) or "`list_alerts` shows the queue."
                raise ToolError(f"There is no alert {name!r}. {hint}")
            found.append(alert)
        return json.dumps(found)

    def search_runbooks(self, query: str) -> str:
        from fleetgym_kb import runbooks  # noqa: PLC0415 - of no use to SPECS

        found = runbooks.search(query, _FOUND)
        return json.dumps([{"name": book.name, "title": book.title} for book in found])

    def get_runbooks(self, names: Sequence[str]) -> str:
        from fleetgym_kb import runbooks  # noqa: PLC0415 - of no use to SPECS

        books = {book.name: book for book in runbooks.load()}
        for name in names:
            if name.strip().lower() not in books:
                hint = did_you_mean(name, books) or "`search_runbooks` finds them by words."
                raise ToolError(f"There is no runbook {name!r}. {hint}")
        return "\n\n".join(books[name.strip().lower()].text for name in names)

    def get_assets(self, names: Sequence[str]) -> str:
        note = "Not in the inventory: not ours, or not under this name."
        return _looked_up(self._assets, names, note)

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

    def get_contacts(self, accounts: Sequence[str]) -> str:
        note = "Nobody's account. Applications are in the inventory."
        return _looked_up(self._contacts, accounts, note)


def _looked_up(known: Mapping[str, Mapping[str, Any]], names: Sequence[str], note: str) -> str:
    """Return what is known under each name; what is not is an answer as well."""
    unknown = {"known": False, "note": note}
    return json.dumps([known.get(n.strip().lower(), {"name": n, **unknown}) for n in names])


def _by_any_name(
    entries: Sequence[Mapping[str, Any]], name: str, others: str
) -> dict[str, Mapping[str, Any]]:
    return {str(word).lower(): entry for entry in entries for word in (entry[name], *entry[others])}
