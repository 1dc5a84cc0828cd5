"""JSON values, and the one canonical text that digests are taken of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

__all__ = ["Json", "JsonObject", "canonical_json", "digest"]

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None
JsonObject: TypeAlias = Mapping[str, Json]


def canonical_json(value: Json) -> str:
    """Return ``value`` as JSON with sorted keys and no blanks; equal values give equal text.

    Raises:
        ValueError: A number is not finite.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(value: Json) -> str:
    """Return the SHA-256 of ``value``'s canonical JSON: 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
