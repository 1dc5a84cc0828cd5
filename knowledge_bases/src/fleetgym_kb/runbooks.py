"""The runbooks of the security desk, the same for every company."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib import resources

__all__ = ["Runbook", "load", "search"]

_WORD = re.compile(r"[a-z0-9][a-z0-9.]*")
_TITLE_WEIGHT = 3


@dataclass(frozen=True, slots=True)
class Runbook:
    """One page of instructions."""

    name: str
    """Of the alert rule that it is for, or of the procedure that it describes."""

    title: str
    text: str
    """Markdown, title included."""


@cache
def load() -> tuple[Runbook, ...]:
    """Return all runbooks, by name."""
    folder = resources.files("fleetgym_kb").joinpath("runbooks")
    found: list[Runbook] = []
    for entry in folder.iterdir():
        if entry.name.endswith(".md"):
            text = entry.read_text("utf-8")
            title = text.partition("\n")[0].removeprefix("# ")
            found.append(Runbook(entry.name.removesuffix(".md"), title, text))
    return tuple(sorted(found, key=lambda book: book.name))


def search(query: str, limit: int) -> list[Runbook]:
    """Return the runbooks that share words with ``query``, best first.

    A shared word counts as often as the runbook has it, dampened, times how rare it is among the
    runbooks; words of name and title count three times.
    """
    words = set(_WORD.findall(query.lower()))
    counted = {book: _counts(book) for book in load()}
    holders = {word: sum(word in counts for counts in counted.values()) for word in words}
    scores = {
        book: sum(
            math.log1p(counts[word]) * math.log((1 + len(counted)) / holders[word])
            for word in words
            if word in counts
        )
        for book, counts in counted.items()
    }
    ranked = sorted(scores, key=lambda book: (-scores[book], book.name))
    return [book for book in ranked if scores[book] > 0][:limit]


@cache
def _counts(book: Runbook) -> Counter[str]:
    named = f"{book.name.replace('-', ' ')} {book.title} ".lower() * _TITLE_WEIGHT
    return Counter(_WORD.findall(named + book.text.lower()))
