"""Takes secrets out of text before it is written or sent."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Redactor"]

# Shapes that are keys wherever they stand. Hashes, GUIDs and object ids of the telemetry are not
# among them: a redacted trajectory still has to make sense.
_SHAPES = {
    "api-key": r"\b(?:sk|rk|pk)-[A-Za-z0-9_-]{16,}",
    "aws-key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "github-token": r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})",
    "slack-token": r"\bxox[abposr]-[A-Za-z0-9-]{10,}",
    "jwt": r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
    "bearer": r"(?<=Bearer )[A-Za-z0-9._~+/-]{16,}=*",
    "private-key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*-----END [A-Z ]*PRIVATE KEY-----",
}
_PATTERN = re.compile("|".join(f"(?P<{n.replace('-', '_')}>{p})" for n, p in _SHAPES.items()))

_SHORTEST = 6


class Redactor:
    """Replaces known secrets, and what has the shape of one, by ``[redacted:class]``.

    Works on plain text and on JSON text alike: no replacement holds a character that JSON escapes.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Take exact secrets, such as a provider's key; those under 6 characters are ignored."""
        spellings = {
            spelling
            for secret in secrets
            if len(secret) >= _SHORTEST
            for spelling in (secret, json.dumps(secret)[1:-1])
        }
        longest_first = sorted(spellings, key=len, reverse=True)
        self._exact = re.compile("|".join(map(re.escape, longest_first))) if spellings else None

    def text(self, text: str) -> str:
        """Return ``text`` without secrets."""
        if self._exact is not None:
            text = self._exact.sub("[redacted:secret]", text)
        return _PATTERN.sub(lambda m: f"[redacted:{(m.lastgroup or '').replace('_', '-')}]", text)
