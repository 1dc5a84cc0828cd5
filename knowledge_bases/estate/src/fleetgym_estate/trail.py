"""Writing down what happens on Linux hosts: processes that start each other and touch files."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fleetgym_estate.event import Event
from fleetgym_estate.telemetry.linux_words import linux_words

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.random import Generator

    from fleetgym_estate.estate import Host

__all__ = ["Process", "Trail", "daemon", "login", "moment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A running process, as the rows of what it does describe it."""

    host: Host
    path: str
    command: str
    account: str
    parent: str
    """File name of its parent."""

    born: datetime | None = None
    """None when it follows from host and program, as a daemon's does."""

    parent_born: datetime | None = None
    remote_ip: str | None = None
    """Where its session comes from, if it belongs to one."""


def daemon(host: Host, name: str, account: str | None = None) -> Process:
    """Return a long-running process of ``host``; its account is that of ``linux.yaml``."""
    step = linux_words().daemons[name]
    own = host.service_account if step.account == "=" else step.account
    return Process(
        host=host,
        path=step.path,
        command=step.command,
        account=account or own,
        parent="systemd",
    )


def login(host: Host, account: str, remote_ip: str, *, terminal: bool = False) -> Process:
    """Return the ``sshd`` that serves a session of ``account``."""
    where = "pts/0" if terminal else "notty"
    return Process(
        host=host,
        path="/usr/sbin/sshd",
        command=f"sshd: {account}@{where}",
        account=account,
        parent="sshd",
        remote_ip=remote_ip,
    )


@dataclass(slots=True)
class Trail:
    """Events as they come to be."""

    rng: Generator
    events: list[Event] = field(default_factory=list[Event])

    def start(
        self,
        at: datetime,
        parent: Process,
        path: str,
        command: str,
        *,
        account: str | None = None,
        asked_for: bool = False,
    ) -> Process:
        """Note that ``parent`` starts a process, milliseconds after ``at``, and return that."""
        born = moment(self.rng, at)
        child = Process(
            host=parent.host,
            path=path,
            command=command,
            account=account or parent.account,
            parent=_base(parent.path),
            born=born,
            parent_born=parent.born,
            remote_ip=parent.remote_ip,
        )
        values = {
            "Timestamp": born,
            "DeviceName": child.host.name,
            "FolderPath": path,
            "ProcessCommandLine": command,
            "AccountName": child.account,
            **_actor(parent),
        }
        self._add("DeviceProcessEvents", values, asked_for=asked_for)
        return child

    def touch(
        self,
        at: datetime,
        actor: Process,
        path: str,
        action: str = "FileCreated",
        *,
        previous: str | None = None,
        asked_for: bool = False,
    ) -> None:
        """Note what ``actor`` does to a file."""
        values = {
            "Timestamp": moment(self.rng, at),
            "DeviceName": actor.host.name,
            "ActionType": action,
            "FolderPath": path,
            **({"PreviousFolderPath": previous} if previous else {}),
            **_actor(actor),
        }
        self._add("DeviceFileEvents", values, asked_for=asked_for)

    def _add(self, table: str, values: dict[str, Any], *, asked_for: bool) -> None:
        self.events.append(Event(table=table, values=values, asked_for=asked_for))


def moment(rng: Generator, at: datetime) -> datetime:
    """Return a time 3 to 90 milliseconds after ``at``."""
    return at + timedelta(microseconds=int(rng.integers(3_000, 90_000)))


def _actor(process: Process) -> dict[str, Any]:
    values: dict[str, Any] = {
        "InitiatingProcessFolderPath": process.path,
        "InitiatingProcessCommandLine": process.command,
        "InitiatingProcessAccountName": process.account,
        "InitiatingProcessParentFileName": process.parent,
    }
    if process.born:
        values["InitiatingProcessCreationTime"] = process.born
    if process.parent_born:
        values["InitiatingProcessParentCreationTime"] = process.parent_born
    if process.remote_ip:
        values["IsInitiatingProcessRemoteSession"] = True
        values["InitiatingProcessRemoteSessionIP"] = process.remote_ip
    return values


def _base(path: str) -> str:
    return path.rpartition("/")[2]
