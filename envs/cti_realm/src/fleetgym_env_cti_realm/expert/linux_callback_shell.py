"""Hunting shells that applications opened to the outside and in which logs were swept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym_env_cti_realm.expert.craft import (
    Detection,
    Hunt,
    Row,
    Rule,
    kql,
    kql_text,
    look_at,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["hunt"]

_WORKERS = '@"^(php-fpm|nginx|apache2|java|node|gunicorn)"'
_PRIVATE = r'@"\D(10\.\d+|172\.(1[6-9]|2\d|3[01])|192\.168)\.\d+\.\d+"'

# Interpreters that workers, or their shells, connect to something outside with.
_CALLS = rf"""DeviceProcessEvents
| where InitiatingProcessFileName matches regex {_WORKERS}
    or InitiatingProcessParentFileName matches regex {_WORKERS}
| where ProcessCommandLine matches regex @"(/dev/tcp/|connect\(|fsockopen\(|tcp:)"
| where not(ProcessCommandLine matches regex {_PRIVATE})
| extend Domain = extract(@"^[^.]+\.(.+)$", 1, DeviceName)
| where not(ProcessCommandLine contains Domain)"""

_HOW_MANY = f"""{_CALLS}
| summarize Calls = count(), Hosts = dcount(DeviceName) by FileName"""

# Their interactive shells, as far as a command of these changed a log.
_SHELLS = f"""let calls = {_CALLS}
| project DeviceName, CallId = ProcessId;
let shells = DeviceProcessEvents
| join kind=inner calls on DeviceName, $left.InitiatingProcessId == $right.CallId
| project DeviceName, ShellId = ProcessId, Shell = FileName;
DeviceFileEvents
| where ActionType in ("FileModified", "FileDeleted", "FileRenamed")
| where FolderPath startswith "/var/log/" or FolderPath contains "/logs/"
| join kind=inner shells on DeviceName, $left.InitiatingProcessParentId == $right.ShellId
| summarize Swept = count() by DeviceName, ShellId, Shell
| order by DeviceName asc"""


def hunt() -> Hunt:
    """Go down the tree from the worker, and keep the shells that sweep."""
    yield from look_at("DeviceProcessEvents", "DeviceFileEvents")
    yield from kql(_HOW_MANY)
    shells = yield from kql(_SHELLS)
    parts = " or ".join(
        f"(DeviceName == {kql_text(row['DeviceName'])} and InitiatingProcessId == {row['ShellId']}"
        f" and InitiatingProcessFileName == {kql_text(row['Shell'])})"
        for row in shells
    )
    query = f"""DeviceProcessEvents
| where {parts}
| project Timestamp, DeviceName, AccountName, ProcessId, ProcessCommandLine, InitiatingProcessId, \
InitiatingProcessCommandLine"""
    results = yield from kql(query)
    return Detection(query=query, results=results, rule=_rule(shells))


def _rule(shells: Sequence[Row]) -> Rule:
    selections = {
        f"shell{number}": {
            "DeviceName": row["DeviceName"],
            "ParentProcessId": row["ShellId"],
            "ParentImage|endswith": f"/{row['Shell']}",
        }
        for number, row in enumerate(shells)
    }
    return Rule(
        title="Commands in a Shell That an Application Opened to the Outside",
        description="An interactive shell, connected to a host outside by a worker of an "
        "application, starts processes; some of them change logs.",
        logsource={"product": "linux", "category": "process_creation"},
        detection={**selections, "condition": "1 of shell*"},
        tactics=("execution", "defense-evasion"),
        techniques=("T1059.004", "T1070.002", "T1190"),
    )
