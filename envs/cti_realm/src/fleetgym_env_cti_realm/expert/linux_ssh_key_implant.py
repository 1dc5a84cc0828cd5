"""Hunting public keys that an intruder put into other people's key files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym_env_cti_realm.expert.craft import (
    Detection,
    Hunt,
    Rule,
    kql,
    kql_list,
    look_at,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["hunt"]

# Addresses that health checks ask: servers.
_SERVERS = r"""DeviceProcessEvents
| where FileName == "curl" and ProcessCommandLine contains ":8080/"
| extend Address = extract(@"http://(\d+\.\d+\.\d+\.\d+):8080/", 1, ProcessCommandLine)
| where isnotempty(Address)
| extend Network = extract(@"^(\d+\.\d+\.\d+\.)", 1, Address)
| summarize Servers = dcount(Address) by Network"""

# Where configuration management comes from.
_MANAGEMENT = """DeviceProcessEvents
| where InitiatingProcessAccountName == "ansible" and isnotempty(InitiatingProcessRemoteSessionIP)
| summarize Sessions = count() by Origin = InitiatingProcessRemoteSessionIP"""

# Commands that write to a key file in somebody else's home, from sessions over the network.
_WRITES = """DeviceFileEvents
| where FolderPath has ".ssh" and FileName startswith "authorized_keys"
| where InitiatingProcessCommandLine contains "authorized_keys"
| where isnotempty(InitiatingProcessRemoteSessionIP)
| where not(FolderPath contains strcat("/", InitiatingProcessAccountName, "/"))
| summarize Writes = count(), Hosts = dcount(DeviceName), Writers = \
make_set(InitiatingProcessAccountName) by Origin = InitiatingProcessRemoteSessionIP
| order by Hosts desc"""


def hunt() -> Hunt:
    """Find which origins of such writes are servers, but not the bastion."""
    yield from look_at("DeviceFileEvents", "DeviceProcessEvents")
    servers = yield from kql(_SERVERS)
    management = yield from kql(_MANAGEMENT)
    network = max(servers, key=lambda row: row["Servers"])["Network"]
    bastions = [row["Origin"] for row in management]
    foreign = yield from kql(
        f'{_WRITES}\n| where Origin startswith "{network}" and not(Origin in {kql_list(bastions)})'
    )
    origins = sorted(row["Origin"] for row in foreign)
    query = _query(origins)
    results = yield from kql(query)
    writers = sorted({row["InitiatingProcessAccountName"] for row in results})
    return Detection(query=query, results=results, rule=_rule(origins, writers))


def _query(origins: Sequence[str]) -> str:
    return f"""DeviceFileEvents
| where FolderPath has ".ssh" and FileName startswith "authorized_keys"
| where InitiatingProcessRemoteSessionIP in {kql_list(origins)}
| where InitiatingProcessCommandLine contains "authorized_keys"
| where not(FolderPath contains strcat("/", InitiatingProcessAccountName, "/"))
| project Timestamp, DeviceName, ActionType, FolderPath, InitiatingProcessAccountName, \
InitiatingProcessRemoteSessionIP, InitiatingProcessCommandLine"""


def _rule(origins: Sequence[str], writers: Sequence[str]) -> Rule:
    return Rule(
        title="Key Implanted in Somebody Else's authorized_keys From Another Server",
        description="A command of a session from a server writes a key file of another account.",
        logsource={"product": "linux", "category": "file_event"},
        detection={
            "file": {
                "TargetFilename|contains": "/.ssh/authorized_keys",
                "CommandLine|contains": "authorized_keys",
                "InitiatingProcessRemoteSessionIP": list(origins),
                "User": list(writers),
            },
            "own": {"TargetFilename|contains": [f"/{name}/.ssh/" for name in _all_own(writers)]},
            "condition": "file and not own",
        },
        tactics=("persistence", "lateral-movement", "credential-access"),
        techniques=("T1098.004", "T1021.004", "T1552.004"),
    )


def _all_own(writers: Sequence[str]) -> list[str]:
    return sorted({*writers, "root"})
