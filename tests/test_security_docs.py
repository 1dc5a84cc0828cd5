"""What the security pages say a test shows, a test shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_NAMED = re.compile(r"`((?:tests/)?[\w/]*test_\w+\.py)?(?:::)?(test_\w+)?`")


def named_in(page: str, default: str = "") -> list[tuple[str, str]]:
    """Return files with functions (or none) that a page names; a row goes on in its last file."""
    found: list[tuple[str, str]] = []
    path = default
    for file, function in _NAMED.findall((ROOT / page).read_text()):
        if file:
            path = file if file.startswith("tests/") else str(Path(path).parent / file)
        if file or function:
            found.append((path, function))
    return found


@pytest.mark.parametrize(
    ("path", "function"),
    [
        *named_in("docs/security.md"),
        *named_in("docs/isolation.md", "tests/executors/test_isolation.py"),
    ],
)
def test_a_test_that_is_named_is_there(path: str, function: str) -> None:
    assert re.search(rf"def {function or 'test_'}", (ROOT / path).read_text())
