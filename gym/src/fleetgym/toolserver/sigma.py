"""Sigma rules: parsed and validated by pySigma, executed as SQL over the telemetry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml
from sigma.collection import SigmaCollection
from sigma.conditions import ConditionOR
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule
from sigma.validation import SigmaValidator
from sigma.validators.core.condition import (
    AllOfThemConditionValidator,
    DanglingConditionValidator,
    DanglingDetectionValidator,
    ThemConditionWithSingleDetectionValidator,
)
from sigma.validators.core.metadata import DuplicateReferencesValidator
from sigma.validators.core.modifiers import InvalidModifierCombinationsValidator
from sigma.validators.core.tags import (
    CARTagValidator,
    CVETagValidator,
    DetectionTagValidator,
    DuplicateTagValidator,
    NamespaceTagValidator,
    STPTagValidator,
    TagFormatValidator,
    TLPTagValidator,
)
from sigma.validators.core.values import (
    ControlCharacterValidator,
    DoubleWildcardValidator,
    EscapedWildcardValidator,
    NumberAsStringValidator,
    WildcardsInsteadOfModifiersValidator,
)

from fleetgym.contracts.errors import ToolError
from fleetgym.toolserver.duck import quoted
from fleetgym.toolserver.sigma_fields import known_sources, source_of
from fleetgym.toolserver.sigma_sql import UnknownField, condition_sql

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Rule", "parse", "row_queries"]

MAX_RULE = 20_000

# All that neither download anything nor compare rules with each other.
_VALIDATORS = (
    AllOfThemConditionValidator,
    CARTagValidator,
    CVETagValidator,
    ControlCharacterValidator,
    DanglingConditionValidator,
    DanglingDetectionValidator,
    DetectionTagValidator,
    DoubleWildcardValidator,
    DuplicateReferencesValidator,
    DuplicateTagValidator,
    EscapedWildcardValidator,
    InvalidModifierCombinationsValidator,
    NamespaceTagValidator,
    NumberAsStringValidator,
    STPTagValidator,
    TLPTagValidator,
    TagFormatValidator,
    ThemConditionWithSingleDetectionValidator,
    WildcardsInsteadOfModifiersValidator,
)
_NO_RULE = re.compile(r"^(?:correlation|filter)\s*:", re.MULTILINE)
_TECHNIQUE = re.compile(r"t\d{4}(?:\.\d{3})?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One parsed rule."""

    rule: SigmaRule
    condition: object
    """What pySigma parsed it to; several conditions are alternatives."""

    issues: tuple[str, ...]
    """What the validators found, sorted."""

    techniques: tuple[str, ...]
    """ATT&CK ids of its tags, upper-case, in their order."""


def parse(text: str) -> Rule:
    """Return the rule that ``text`` holds.

    Raises:
        ToolError: It is no YAML, no Sigma rule, or more than one.
    """
    if len(text) > MAX_RULE:
        raise ToolError(f"The rule is longer than {MAX_RULE} characters.")
    if _NO_RULE.search(text):
        raise ToolError("Correlation rules and filters cannot be executed here. Write one rule.")
    try:
        return _parse(text)
    except yaml.YAMLError as error:
        raise ToolError(f"The rule is not valid YAML: {_one_line(error)}") from error
    except SigmaError as error:
        raise ToolError(f"The rule is not valid Sigma: {_one_line(error)}") from error
    except (ToolError, MemoryError):
        raise
    except Exception as error:  # pySigma takes the shape of what it is given for granted
        raise ToolError("The text is not a Sigma rule: a YAML mapping with its keys.") from error


def row_queries(rule: Rule, columns: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return a SELECT of row ids for each table that the rule's log source stands for.

    Args:
        rule: The rule.
        columns: The tables that there are, and the types of their columns.

    Raises:
        ToolError: The log source or a field is unknown, or something cannot be executed.
    """
    logsource = rule.rule.logsource
    source = source_of(logsource.product, logsource.category, logsource.service)
    tables = [table for table in source.tables if table in columns] if source else []
    if source is None or not tables:
        raise ToolError(
            f"No table holds the log source product={logsource.product!r}, "
            f"category={logsource.category!r}, service={logsource.service!r}. "
            f"Known are {', '.join(known_sources())}."
        )
    queries: dict[str, str] = {}
    unknown: UnknownField | None = None
    for table in tables:
        try:
            where = condition_sql(rule.condition, columns[table], source.aliases)
        except UnknownField as error:
            unknown = error
            continue
        if source.actions and "ActionType" in columns[table]:
            where += f' AND "ActionType" IN {_strings(source.actions)}'
        if source.paths and "FolderPath" in columns[table]:
            where += f" AND regexp_matches(\"FolderPath\", '^{source.paths}')"
        queries[table] = f"FROM {quoted(table)} SELECT rowid WHERE {where} ORDER BY rowid"
    if unknown is not None and not queries:
        raise unknown
    return queries


def _parse(text: str) -> Rule:
    collection = SigmaCollection.from_yaml(text, collect_errors=True)
    if collection.errors:
        raise ToolError(
            f"The rule is not valid Sigma: {'; '.join(map(_one_line, collection.errors))}"
        )
    if len(collection.rules) != 1:
        raise ToolError(f"Exactly one Sigma rule is expected, not {len(collection.rules)}.")
    rule = collection.rules[0]
    assert isinstance(rule, SigmaRule)
    parsed = [condition.parsed for condition in rule.detection.parsed_condition]
    return Rule(
        rule=rule,
        condition=parsed[0] if len(parsed) == 1 else ConditionOR(list(parsed)),
        issues=_issues(rule),
        techniques=_techniques(rule),
    )


def _issues(rule: SigmaRule) -> tuple[str, ...]:
    found = SigmaValidator(_VALIDATORS).validate_rule(rule)
    return tuple(sorted(f"{issue.severity.name.lower()}: {issue.description}" for issue in found))


def _techniques(rule: SigmaRule) -> tuple[str, ...]:
    names = [tag.name for tag in rule.tags if tag.namespace == "attack"]
    return tuple(dict.fromkeys(n.upper() for n in names if _TECHNIQUE.fullmatch(n)))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _strings(values: tuple[str, ...]) -> str:
    return "(" + ", ".join(f"'{value}'" for value in values) + ")"
