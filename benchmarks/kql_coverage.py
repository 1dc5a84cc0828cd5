"""Which share of a folder of KQL queries the KQL tool translates, and why it refuses the rest.

    python benchmarks/kql_coverage.py FOLDER [--examples 2]

Read are ``*.kql`` and ``*.csl`` (one a file), ``*.md`` (blocks marked kql or kusto), and
``*.yaml`` (every text under a key ``query``). Only the translation is measured, not results: a
table that a query reads gets the query's own words for its columns, so nothing is refused because
the telemetry at hand lacks it. A crash or a hang (10 s) is a defect, and makes the exit status 1.
"""

from __future__ import annotations

import argparse
import re
import signal
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

from fleetgym.contracts.errors import ToolError
from fleetgym.toolserver.kql import translate
from fleetgym.toolserver.kql_functions import add_functions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_BLOCK = re.compile(r"```(?:kql|kusto)\s*\n(.*?)```", re.DOTALL | re.IGNORECASE)
_NAMED = re.compile(r"^'([^']+)'")
_NOW = datetime(2026, 1, 1)  # noqa: DTZ001 - as DuckDB gives it
_SECONDS = 10


def queries(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each query with where it stands."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.suffix not in {".kql", ".csl", ".md", ".yaml", ".yml"}:
            continue
        text = path.read_text(encoding="utf-8-sig", errors="replace")
        if path.suffix in {".kql", ".csl"}:
            found = [text]
        elif path.suffix == ".md":
            found = _BLOCK.findall(text)
        else:
            found = list(_of_yaml(path, text))
        for number, query in enumerate(found):
            if query.strip():
                yield f"{path.relative_to(folder)}#{number}", query


def _of_yaml(path: Path, text: str) -> Iterator[str]:
    try:
        parts: list[Any] = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        print(f"skipped {path}: no YAML ({str(error).splitlines()[0]})")
        return
    while parts:
        part = parts.pop()
        if isinstance(part, list):
            parts += cast("list[Any]", part)
        elif isinstance(part, dict):
            for key, value in cast("dict[Any, Any]", part).items():
                if key == "query" and isinstance(value, str):
                    yield value
                else:
                    parts.append(value)


def refusal(query: str) -> str | None:
    """Return why ``query`` is refused, or None when it translates."""
    # Guessed from what stands in the query, which is why this says nothing of results.
    names = {word.casefold(): word for word in re.findall(r"[A-Za-z_]\w*", query)}.values()
    columns = dict.fromkeys(names, "VARCHAR")
    tables = dict.fromkeys(re.findall(r"[A-Za-z_]\w*", query), columns)
    try:
        translate(query, tables, _NOW)
    except ToolError as error:
        return str(error)
    return None


def _too_long(_signal: int, _frame: FrameType | None) -> None:
    raise TimeoutError


def main() -> int:
    """Print the share, and the refusals by construct."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--examples", type=int, default=2)
    asked = parser.parse_args()
    add_functions()
    signal.signal(signal.SIGALRM, _too_long)
    total, groups, defects = 0, Counter[str](), 0
    examples: defaultdict[str, list[str]] = defaultdict(list)
    for place, query in queries(asked.folder):
        total += 1
        signal.alarm(_SECONDS)
        try:
            reason = refusal(query)
        except Exception as error:  # noqa: BLE001 - what is looked for
            reason, defects = f"DEFECT {type(error).__name__}: {error}", defects + 1
        finally:
            signal.alarm(0)
        if reason is None:
            continue
        named = _NAMED.match(reason)
        group = named[1] if named else reason[:60]
        groups[group] += 1
        examples[group].append(f"{place}: {reason}")
    translated = total - sum(groups.values())
    print(
        f"{translated} of {total} translate ({translated / max(total, 1):.1%}), {defects} defects"
    )
    for group, count in groups.most_common():
        print(f"{count:5} {group}")
        for example in examples[group][: asked.examples]:
            print(f"        {example[:300]}")
    return 1 if defects or not total else 0


if __name__ == "__main__":
    raise SystemExit(main())
