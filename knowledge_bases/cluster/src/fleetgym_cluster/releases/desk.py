"""The functions behind the release desk's tools."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import yaml

from fleetgym.contracts.errors import ToolError, did_you_mean
from fleetgym_cluster.releases.documents import documents
from fleetgym_cluster.releases.measure import measure
from fleetgym_cluster.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fleetgym_cluster.releases.book import Book
    from fleetgym_cluster.world import Cluster

__all__ = ["ReleaseDesk"]

_NOTHING = "No entries."


class ReleaseDesk:
    """Answers about one release, and measures what manifests come to."""

    def __init__(self, book: Book, cluster: Cluster) -> None:
        self._book = book
        self._cluster = cluster
        self._documents = documents(book)

    def release_request(self) -> str:
        """Return what is to be released."""
        release = self._book.release
        return yaml.safe_dump(
            {
                "release": release.id,
                "reason": release.reason,
                "critical": release.critical,
                "now": _stamp(self._book.now),
                "deadline": _stamp(release.deadline),
                "services": [
                    {
                        "service": order.service,
                        "image": order.image,
                        **({"new_settings": dict(order.settings)} if order.settings else {}),
                    }
                    for order in release.orders
                ],
            },
            sort_keys=False,
            width=100,
        )

    def list_documents(self) -> str:
        """Return the names of the documents."""
        return "\n".join(self._documents)

    def read_document(self, name: str) -> str:
        """Return one document."""
        return self._documents[_known(name, self._documents, "document", "list_documents")]

    def service_card(self, service: str) -> str:
        """Return a service's card."""
        name = _known(service, self._book.services, "service card", "release_request")
        card = self._book.services[name]
        sign, ahead = "-" if card.utc_offset_min < 0 else "+", abs(card.utc_offset_min)
        return yaml.safe_dump(
            {
                "service": name,
                "team": card.team,
                "time_zone": f"UTC{sign}{ahead // 60:02d}:{ahead % 60:02d}",
                "tier": card.tier,
                "calls": list(card.calls),
                "objective": dict(card.objective),
                "error_budget_left_requests": card.errors_left,
                "alert_fires_after_minutes": card.detection_min,
                "monthly_budget_eur": card.monthly_budget,
                "load_tests": [
                    {
                        "image": image,
                        "requests_per_second_per_pod": test.rps,
                        "memory_p99": f"{test.memory_mib}Mi",
                    }
                    for image, test in card.tests.items()
                ],
            },
            sort_keys=False,
            width=100,
        )

    def traffic_forecast(self, service: str, start: str = "", end: str = "") -> str:
        """Return the forecast of a service by the hour."""
        name = _known(service, self._book.forecasts, "forecast", "release_request")
        first, last = self._between(start, end)
        hour = timedelta(hours=1)
        rows = [
            [_stamp(at), str(rps)]
            for index, rps in enumerate(self._book.forecasts[name])
            if (at := self._book.forecast_start + index * hour) < last and at + hour > first
        ]
        return table(["HOUR FROM", "REQUESTS/S"], rows) if rows else _NOTHING

    def change_calendar(self, start: str = "", end: str = "") -> str:
        """Return the entries of the change calendar."""
        first, last = self._between(start, end)
        rows = [
            [
                _stamp(entry.start), _stamp(entry.end), entry.kind,
                ("hard" if entry.hard else "soft") if entry.kind == "freeze" else "-",
                entry.concerns, entry.note,
            ]
            for entry in self._book.calendar
            if entry.start < last and entry.end > first
        ]  # fmt: skip
        header = ["START", "END", "KIND", "STRICTNESS", "CONCERNS", "NOTE"]
        return table(header, rows) if rows else _NOTHING

    def grade_release(self, manifests: str) -> str:
        """Apply manifests, let the cluster settle, and say what came of it, as JSON."""
        return json.dumps(measure(self._cluster, self._book, manifests))

    def _between(self, start: str, end: str) -> tuple[datetime, datetime]:
        """Return the part of the forecast that is meant; all of it when nothing is said."""
        first = _moment(start) if start else self._book.forecast_start
        last = _moment(end) if end else self._book.forecast_end
        if last <= first:
            raise ToolError(f"`end` ({_stamp(last)}) must be later than `start` ({_stamp(first)}).")
        return first, last


def _known(name: str, names: Iterable[str], what: str, where: str) -> str:
    known = list(names)
    if name in known:
        return name
    hint = did_you_mean(name, known) or f"There are: {', '.join(known)}; see `{where}`."
    raise ToolError(f"There is no {what} {name!r}. {hint}")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ToolError(f"{text!r} is no time; write for example 2026-03-02T09:00Z.") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%MZ}"
