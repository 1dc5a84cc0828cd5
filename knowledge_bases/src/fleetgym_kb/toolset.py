"""The tools that read the knowledge base; they run in the sandbox, over the mount ``kb``.

Four of them behave and print as in the CTI-REALM reference, except that an unknown tactic is
answered with the tactics there are, not with an empty list. ``search_cti_reports`` is our own.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import ToolError
from fleetgym.contracts.tools import ToolSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fleetgym.contracts.sandbox import Limits, ToolFunction
    from fleetgym_kb.passages import PassageIndex

__all__ = ["FURTHER", "HIDDEN", "PRELOAD", "SCOPES", "SPECS", "open_toolset", "warm"]

FURTHER = "further_reports.json"
"""Holds an array of reports as ``get_cti_reports_by_tag`` returns them."""

_MAX_RULES = 20
_MAX_REPORTS = 10
_EXCERPT_CHARS = 480


def _schema(required: Sequence[str] = (), **properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


SPECS = (
    ToolSpec(
        name="list_cti_report_tags",
        description=(
            "List the tags of the threat-intelligence reports with the number of reports under "
            "each, the most frequent first."
        ),
        parameters=_schema(),
    ),
    ToolSpec(
        name="get_cti_reports_by_tag",
        description=(
            "Get the full text of every threat-intelligence report under one tag, as a JSON array. "
            "Broad tags give long answers: prefer a narrow one from list_cti_report_tags."
        ),
        parameters=_schema(
            ["tag"], tag={"type": "string", "description": "A tag, for example 'web-shell'."}
        ),
    ),
    ToolSpec(
        name="search_cti_reports",
        description=(
            "Find threat-intelligence reports by meaning. Gives id, title, tags, ATT&CK "
            "techniques, score (cosine similarity) and best passage of each report, best first. "
            "The full text is under any of its tags."
        ),
        parameters=_schema(
            ["query"],
            query={
                "type": "string",
                "description": "What to look for, in a sentence: behavior, not single words.",
            },
            limit={
                "type": "integer",
                "description": f"Number of reports, 1 to {_MAX_REPORTS}.",
                "default": 5,
            },
        ),
    ),
    ToolSpec(
        name="search_mitre_techniques",
        description=(
            "List the MITRE ATT&CK techniques of one tactic. Top-level techniques only: "
            "sub-techniques such as T1053.003 are named by reports and Sigma rules."
        ),
        parameters=_schema(
            ["tactic"],
            tactic={"type": "string", "description": "For example 'Privilege Escalation'."},
        ),
    ),
    ToolSpec(
        name="search_sigma_rules",
        description=(
            "Search the reference collection of Sigma rules for examples of structure and field "
            "names. All filters that are given must match; results are in the collection's order."
        ),
        parameters=_schema(
            keyword={
                "type": "string",
                "description": "Part of title or description.",
                "default": "",
            },
            technique_id={
                "type": "string",
                "description": "An exact ATT&CK id, for example 'T1059.004'.",
                "default": "",
            },
            platform={
                "type": "string",
                "description": "Part of the platform: linux, kubernetes, azure or m365.",
                "default": "",
            },
            limit={
                "type": "integer",
                "description": f"Number of rules, 1 to {_MAX_RULES}.",
                "default": 5,
            },
        ),
    ),
)
HIDDEN: frozenset[str] = frozenset()
# numpy starts a thread at import unless the server's environment has OPENBLAS_NUM_THREADS=1; the
# others start none, so a server may fork after them.
PRELOAD = ("chromadb.api.rust", "fleetgym_kb.passages")

SCOPES = ("knowledge:read",)


def warm() -> None:
    """Load the embedding model, for the forks of a warm server to share; starts no thread."""
    from fleetgym_kb import embedding  # noqa: PLC0415 - heavy

    embedding.load()


def open_toolset(mounts: Mapping[str, Path], limits: Limits) -> Mapping[str, ToolFunction]:
    """Return the tools over ``mounts["kb"]``, a directory that ``fleetgym_kb.index`` made.

    Reports in ``further_reports.json`` of ``mounts["data"]``, the instance, stand beside its own.
    """
    del limits  # the answers are small, and no tool executes what an agent wrote
    data = mounts.get("data")
    kb = _KnowledgeBase(mounts["kb"], data / FURTHER if data else None)
    return {spec.name: getattr(kb, spec.name) for spec in SPECS}


class _KnowledgeBase:
    """One public method a tool; the reports' passages are opened at the first search."""

    def __init__(self, directory: Path, further: Path | None = None) -> None:
        self._directory = directory
        self._reports: list[dict[str, Any]] = self._read("reports.json")
        self._further: list[dict[str, Any]] = []
        if further is not None and further.is_file():
            self._further = json.loads(further.read_text(encoding="utf-8"))
            self._reports += self._further
        self._techniques: list[dict[str, Any]] = self._read("techniques.json")
        self._rules: list[dict[str, Any]] = self._read("sigma.json")
        self._passages: PassageIndex | None = None
        self._opening = threading.Lock()

    def list_cti_report_tags(self) -> str:
        counts = self._tag_counts()
        return _indented({"available_tags": list(counts), "tag_counts": counts})

    def get_cti_reports_by_tag(self, tag: str) -> str:
        wanted = tag.lower()
        found = [report for report in self._reports if wanted in report["tags"]]
        if not found:
            return _indented(
                {
                    "error": f"No reports found for tag '{tag}'",
                    "available_tags": list(self._tag_counts()),
                }
            )
        return _indented(found)

    def search_cti_reports(self, query: str, limit: int = 5) -> str:
        if not query.strip():
            raise ToolError(
                "search_cti_reports was asked for an empty query; describe in a sentence what the "
                "reports should be about."
            )
        reports = {report["id"]: report for report in self._reports}
        passages = self._open_passages().search(query, self._further)
        found = passages[: _clamp(limit, _MAX_REPORTS)]
        return _indented(
            {
                "count": len(found),
                "reports": [
                    {
                        "id": passage.report_id,
                        "title": reports[passage.report_id]["title"],
                        "tags": reports[passage.report_id]["tags"],
                        "techniques": reports[passage.report_id]["techniques"],
                        "score": passage.score,
                        "excerpt": _excerpt(passage.text),
                    }
                    for passage in found
                ],
            }
        )

    def search_mitre_techniques(self, tactic: str) -> str:
        wanted = tactic.strip().lower().replace(" ", "-")
        tactics = sorted({name for entry in self._techniques for name in entry["tactics"]})
        if wanted not in tactics:
            names = [_display(name) for name in tactics]
            error = f"No techniques found for tactic '{tactic}'"
            return _indented({"error": error, "available_tactics": names})
        found = [
            {
                "technique_id": entry["id"],
                "technique_name": entry["name"],
                "description": entry["description"],
                "tactics": [_display(name) for name in entry["tactics"]],
            }
            for entry in self._techniques
            if "." not in entry["id"] and wanted in entry["tactics"]
        ]
        return json.dumps(found, ensure_ascii=False)

    def search_sigma_rules(
        self, keyword: str = "", technique_id: str = "", platform: str = "", limit: int = 5
    ) -> str:
        found = [
            rule
            for rule in self._rules
            if keyword.lower() in f"{rule['title']}\n{rule['description']}".lower()
            and (not technique_id or technique_id.upper() in rule["techniques"])
            and platform.lower() in rule["platform"].lower()
        ][: _clamp(limit, _MAX_RULES)]
        return _indented({"count": len(found), "rules": found})

    def _tag_counts(self) -> dict[str, int]:
        """Return the number of reports by tag; ties stay in the order of first appearance."""
        counts: dict[str, int] = {}
        for report in self._reports:
            for tag in report["tags"]:
                counts[tag] = counts.get(tag, 0) + 1
        return dict(sorted(counts.items(), key=lambda entry: -entry[1]))

    def _open_passages(self) -> PassageIndex:
        from fleetgym_kb.passages import PassageIndex  # noqa: PLC0415 - heavy; most never search

        with self._opening:
            if self._passages is None:
                self._passages = PassageIndex(self._directory / "chroma")
            return self._passages

    def _read(self, name: str) -> Any:
        return json.loads((self._directory / name).read_text(encoding="utf-8"))


def _indented(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _clamp(limit: int, most: int) -> int:
    return max(1, min(limit, most))


def _display(tactic: str) -> str:
    return tactic.replace("-", " ").title().replace(" And ", " and ")


def _excerpt(text: str) -> str:
    flat = " ".join(text.split())
    if len(flat) <= _EXCERPT_CHARS:
        return flat
    return flat[:_EXCERPT_CHARS].rpartition(" ")[0] + " …"
