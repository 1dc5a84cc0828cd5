"""The Sigma reference collection, as the records that agents search."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypedDict

import yaml

__all__ = ["RULES", "RuleRecord", "load"]

RULES = Path(__file__).parent / "sigma"

_TECHNIQUE = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)")
_SNIPPET_CHARS = 200


class RuleRecord(TypedDict):
    """One rule of the collection, summed up."""

    title: str
    description: str
    techniques: list[str]
    """Upper-case ATT&CK ids, from the rule's tags."""

    platform: str
    """The logsource's product, else its service, else ``unknown``."""

    logsource: dict[str, str]
    detection_snippet: str
    """The first 200 characters of the detection section, as YAML."""

    path: str
    """Inside the collection."""

    url: str


def load(directory: Path = RULES) -> list[RuleRecord]:
    """Return a record of each rule, by path."""
    return [_record(path, directory) for path in sorted(directory.rglob("*.yml"))]


def _record(path: Path, directory: Path) -> RuleRecord:
    rule: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    logsource = rule["logsource"]
    place = path.relative_to(directory).as_posix()
    detection = yaml.safe_dump(rule["detection"], sort_keys=False)
    tags = [_TECHNIQUE.fullmatch(tag) for tag in rule["tags"]]
    return RuleRecord(
        title=rule["title"],
        description=" ".join(rule["description"].split()),
        techniques=[tag[1].upper() for tag in tags if tag],
        platform=logsource.get("product") or logsource.get("service") or "unknown",
        logsource=logsource,
        detection_snippet=detection[:_SNIPPET_CHARS],
        path=place,
        url=f"https://rules.fleetgym.example/{place}",
    )
