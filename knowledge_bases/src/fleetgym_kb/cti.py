"""The CTI reports: Markdown with YAML front matter, one file a report."""

from __future__ import annotations

import re
from datetime import date  # noqa: TC003 - pydantic needs it at run time
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from fleetgym.contracts.errors import SpecError

__all__ = ["REPORTS", "Report", "load", "parse", "passages", "shipped"]

REPORTS = Path(__file__).parent / "reports"

# The embedding model reads 256 word pieces, about 180 words; shorter passages answer better.
_PASSAGE_WORDS = 110

_FRONT_MATTER = re.compile(r"---\n(.*?)\n---\n(.+)", re.DOTALL)

Tag = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
TechniqueId = Annotated[str, StringConstraints(pattern=r"^T\d{4}(\.\d{3})?$")]


class Report(BaseModel):
    """One report, as its file has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Tag
    """The file's name without its suffix."""

    title: str = Field(min_length=10)
    publisher: str
    published: date
    link: str = Field(pattern=r"^https://[a-z0-9.-]+\.example/\S+$")
    tags: list[Tag] = Field(min_length=3)
    techniques: list[TechniqueId] = Field(min_length=1)
    """ATT&CK ids that the report names."""

    platforms: list[Literal["linux", "aks", "azure"]] = Field(min_length=1)
    content: str
    """Markdown."""


def load(directory: Path = REPORTS) -> tuple[Report, ...]:
    """Return all reports, by file name.

    Raises:
        SpecError: A file is not a report; names it and what is wrong.
    """
    return tuple(parse(path) for path in sorted(directory.glob("*.md")))


@cache
def shipped() -> tuple[Report, ...]:
    """Return the reports of this package, read once a process."""
    return load()


def parse(path: Path) -> Report:
    """Return the report in a file.

    Raises:
        SpecError: The file is not a report; says what is wrong with it.
    """
    parts = _FRONT_MATTER.fullmatch(path.read_text(encoding="utf-8"))
    if parts is None:
        raise SpecError(f"{path.name}: a report starts with YAML between two lines of '---'.")
    try:
        fields: Any = yaml.safe_load(parts[1])
        report = Report.model_validate({**fields, "content": parts[2].strip()})
    except (yaml.YAMLError, TypeError, ValidationError) as error:
        raise SpecError(f"{path.name}: its front matter is wrong: {error}") from error
    if report.id != path.stem:
        raise SpecError(f"{path.name}: its id {report.id!r} must be the file's name.")
    return report


def passages(report: Report) -> list[str]:
    """Return the report cut at blank lines into passages of some 110 words, in reading order.

    A heading stays with the paragraph below it.
    """
    found: list[str] = []
    current: list[str] = []
    for block in re.split(r"\n\s*\n", report.content):
        words = len(" ".join([*current, block]).split())
        if current and words > _PASSAGE_WORDS and not current[-1].startswith("#"):
            found.append("\n\n".join(current))
            current = []
        current.append(block.strip())
    return [*found, "\n\n".join(current)]
