"""Label selectors, of manifests and of command lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import ToolError
from fleetgym_cluster.objects import dig, items, strings

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["holds", "matches", "parse_selector"]

_TERM = re.compile(
    r"\s*(?:(?P<absent>!)\s*)?(?P<key>[\w./-]+)\s*"
    r"(?:(?P<operator>==|=|!=)\s*(?P<value>[\w.-]*)|(?P<set>in|notin)\s*\((?P<values>[^)]*)\))?\s*"
)
_SPLIT = re.compile(r",(?![^(]*\))")


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Return whether labels meet a selector of a manifest; an empty one is met by all."""
    if selector is None:
        return False
    wanted = strings(selector, "matchLabels")
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        holds(term, labels) for term in items(selector, "matchExpressions")
    )


def holds(term: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Return whether labels meet one expression: ``key``, ``operator`` and ``values``."""
    value = labels.get(str(term.get("key")))
    values = [str(one) for one in dig(term, "values", default=[])]
    match term.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return _number(value) > _number(values[0]) if value and values else False
        case "Lt":
            return _number(value) < _number(values[0]) if value and values else False
        case _:
            return False


def parse_selector(text: str) -> dict[str, Any]:
    """Return the selector that a command line's text means, for example ``app=cart,tier!=db``.

    Raises:
        ToolError: It is none.
    """
    terms: list[dict[str, Any]] = []
    for part in filter(str.strip, _SPLIT.split(text)):
        found = _TERM.fullmatch(part)
        if found is None:
            raise ToolError(f"{part!r} is no selector; write for example app=cart,tier!=db.")
        key, chosen = found["key"], found["set"]
        if chosen:
            values = [value.strip() for value in found["values"].split(",")]
            operator = "In" if chosen == "in" else "NotIn"
        elif found["operator"]:
            values = [found["value"]]
            operator = "NotIn" if found["operator"] == "!=" else "In"
        else:
            values, operator = [], "DoesNotExist" if found["absent"] else "Exists"
        terms.append({"key": key, "operator": operator, "values": values})
    return {"matchExpressions": terms}


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")
