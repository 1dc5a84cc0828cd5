"""Hunting a job that a web shell put into the crontab of the application's account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym_env_cti_realm.expert.craft import (
    Detection,
    Hunt,
    Rule,
    kql,
    kql_list,
    kql_text,
    look_at,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["hunt"]

_SHELLS = '("sh", "dash", "bash")'
_WORKERS = '@"^(php-fpm|nginx|apache2|java|node|gunicorn)"'

# What the application's own shells replaced crontabs on, and on which accounts.
_INSTALLS = f"""DeviceProcessEvents
| where FileName == "crontab" and not(ProcessCommandLine endswith "-l")
| where InitiatingProcessFileName in {_SHELLS}
| where InitiatingProcessParentFileName matches regex {_WORKERS}
| summarize Installed = min(Timestamp), Commands = make_set(InitiatingProcessCommandLine)
    by DeviceName, AccountName"""

# Programs in places that all may write to, which a shell of the same account wrote there and cron
# runs.
_PROGRAMS = f"""DeviceFileEvents
| where ActionType == "FileCreated" and InitiatingProcessParentFileName in {_SHELLS}
| where DeviceName in {{hosts}} and InitiatingProcessAccountName in {{accounts}}
| where FolderPath matches regex @"^/(tmp|var/tmp|dev/shm|run/lock)/"
| join kind=inner (
    DeviceProcessEvents
    | where InitiatingProcessFileName == "cron" and AccountName in {{accounts}}
    | distinct DeviceName, Job = ProcessCommandLine
  ) on DeviceName
| extend Folder = extract("^(.+)/", 1, FolderPath)
| where Job contains Folder and Job contains FileName
| distinct DeviceName, Account = InitiatingProcessAccountName, Folder, FileName, Job"""


def hunt() -> Hunt:
    """Intersect the three traits that the report names, then follow the job."""
    yield from look_at("DeviceProcessEvents", "DeviceFileEvents")
    installs = yield from kql(_INSTALLS)
    hosts = sorted({row["DeviceName"] for row in installs})
    accounts = sorted({row["AccountName"] for row in installs})
    found = yield from kql(
        _PROGRAMS.format(hosts=kql_list(hosts), accounts=kql_list(accounts)),
    )
    known = {(row["DeviceName"], row["AccountName"]) for row in installs}
    programs = [row for row in found if (row["DeviceName"], row["Account"]) in known]
    folders = sorted({row["Folder"] for row in programs})
    owners = sorted({row["Account"] for row in programs})
    query = _query(folders, owners)
    results = yield from kql(query)
    return Detection(query=query, results=results, rule=_rule(folders, owners))


def _query(folders: Sequence[str], owners: Sequence[str]) -> str:
    named = " or ".join(f"ProcessCommandLine contains {kql_text(name)}" for name in folders)
    return f"""DeviceProcessEvents
| where InitiatingProcessFileName == "cron" and AccountName in {kql_list(owners)}
| where {named}
| project Timestamp, DeviceName, AccountName, ProcessId, ProcessCommandLine, \
InitiatingProcessCommandLine"""


def _rule(folders: Sequence[str], owners: Sequence[str]) -> Rule:
    return Rule(
        title="Job Implanted in the Crontab of a Web Application's Account",
        description="Cron runs a program that a web shell fetched into a world-writable directory.",
        logsource={"product": "linux", "category": "process_creation"},
        detection={
            "cron": {"ParentImage|endswith": "/cron", "User": list(owners)},
            "job": {"CommandLine|contains": list(folders)},
            "condition": "cron and job",
        },
        tactics=("persistence", "command-and-control"),
        techniques=("T1053.003", "T1505.003", "T1105"),
    )
