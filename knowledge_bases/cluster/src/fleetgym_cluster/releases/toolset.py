"""The tools of the release desk; they run in the sandbox, beside those of the cluster.

Importing this module is cheap; what answers is imported when the toolset is opened.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import SandboxError
from fleetgym.contracts.tools import ToolSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fleetgym.contracts.sandbox import Limits, ToolFunction

__all__ = ["HIDDEN", "PRELOAD", "RELEASES", "SCOPES", "SPECS", "open_toolset"]

RELEASES = "releases.json"
"""The file, in the mount ``data``: a book as ``Book.to_json`` wrote it."""

HIDDEN = frozenset({"grade_release"})
PRELOAD = ("fleetgym_cluster.releases.desk",)
SCOPES = ("releases:read",)


def _schema(required: Sequence[str] = (), **properties: str) -> Mapping[str, Any]:
    return {
        "type": "object",
        "properties": {
            name: {"type": "string", "description": text} for name, text in properties.items()
        },
        "required": list(required),
        "additionalProperties": False,
    }


_FROM = "From when, in UTC, for example 2026-03-02T09:00Z; from now when it is left out."
_TO = "Until when; as far as the forecast goes when it is left out."

SPECS = (
    ToolSpec(
        name="release_request",
        description="Return the release that is waiting: services, images, deadline.",
        parameters=_schema(),
    ),
    ToolSpec(
        name="list_documents",
        description="List the platform's documents that a release has to keep to.",
        parameters=_schema(),
    ),
    ToolSpec(
        name="read_document",
        description="Read one of the platform's documents.",
        parameters=_schema(["name"], name="As list_documents has it."),
    ),
    ToolSpec(
        name="service_card",
        description="Return a service's card: team, tier, whom it calls, objective, error budget, "
        "monthly budget, load tests.",
        parameters=_schema(["service"], service="namespace/name, for example shop/cart."),
    ),
    ToolSpec(
        name="traffic_forecast",
        description="Return the requests a second that are forecast for a service, by the hour.",
        parameters=_schema(["service"], service="namespace/name.", start=_FROM, end=_TO),
    ),
    ToolSpec(
        name="change_calendar",
        description="List freezes, maintenance and other people's rollouts.",
        parameters=_schema(start=_FROM, end=_TO),
    ),
    ToolSpec(
        name="grade_release",
        description="Apply manifests, let the cluster settle, and say what came of it.",
        parameters=_schema(["manifests"], manifests="YAML."),
    ),
)


def open_toolset(mounts: Mapping[str, Path], limits: Limits) -> Mapping[str, ToolFunction]:
    """Read the release of one instance and return its tools.

    Raises:
        SandboxError: The mount holds no release, or no cluster.
    """
    del limits
    from fleetgym_cluster.releases.book import Book  # noqa: PLC0415 - of no use to SPECS
    from fleetgym_cluster.releases.desk import ReleaseDesk  # noqa: PLC0415
    from fleetgym_cluster.toolset import read_cluster  # noqa: PLC0415

    path = mounts["data"] / RELEASES
    try:
        book = Book.from_json(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise SandboxError(f"The mount 'data' holds no {RELEASES}: {error}") from error
    desk = ReleaseDesk(book, read_cluster(mounts["data"]))
    return {spec.name: getattr(desk, spec.name) for spec in SPECS}
