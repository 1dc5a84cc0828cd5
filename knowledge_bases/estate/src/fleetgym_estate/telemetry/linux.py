"""Background of the two Defender tables: services, schedules, configuration management, people.

Each occurrence of an activity is a chain of processes and the files that the last of them touches.
Their ids agree: a file's process is a row of the process table, and so is that process's parent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fleetgym_estate.telemetry import clock
from fleetgym_estate.telemetry.draw import Array, objects, pick
from fleetgym_estate.telemetry.linux_cast import Cast, casts
from fleetgym_estate.telemetry.linux_fill import (
    fill_files,
    fill_processes,
    pid_at,
    shell_start,
)
from fleetgym_estate.telemetry.linux_people import Session, sessions
from fleetgym_estate.telemetry.linux_words import Activity, Step, Touch, linux_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from fleetgym_estate.estate import Estate, Host

__all__ = ["linux_tables"]

_TYPED_SHARE = 0.1
"""Commands that people type, of all rows."""


class _Process(NamedTuple):
    """A running process as the rows of its children and files describe it.

    What is None follows from host and time.
    """

    path: str
    command: str
    account: str
    parent: str
    """File name of its own parent."""

    id: int | None = None
    born: int | None = None
    parent_id: int | None = None
    parent_born: int | None = None
    remote_ip: str | None = None
    """Where its session comes from, if it belongs to one."""


_ACTOR = tuple(
    f"InitiatingProcess{name}"
    for name in (
        "FolderPath",
        "CommandLine",
        "AccountName",
        "ParentFileName",
        "Id",
        "CreationTime",
        "ParentId",
        "ParentCreationTime",
        "RemoteSessionIP",
    )
)
_STARTED = (
    *("Timestamp", "DeviceName", "FolderPath", "ProcessCommandLine", "AccountName", "ProcessId"),
    *_ACTOR,
)
_TOUCHED = (
    *("Timestamp", "DeviceName", "ActionType", "FolderPath", "PreviousFolderPath"),
    *_ACTOR,
)


@dataclass(slots=True)
class _Journal:
    """Rows of both tables as they come to be."""

    estate: Estate
    processes: list[tuple[Any, ...]]
    files: list[tuple[Any, ...]]

    def start(self, host: Host, time: int, parent: _Process, step: Step, cast: Cast) -> _Process:
        """Note that ``parent`` starts a process, and return that."""
        account = {"=": host.service_account, "^": parent.account}.get(step.account, step.account)
        child = _Process(
            path=step.path,
            command=step.command.format_map(cast),
            account=account,
            parent=parent.path.rpartition("/")[2],
            id=pid_at(self.estate, host.name, time),
            born=time,
            parent_id=parent.id,
            parent_born=parent.born,
            remote_ip=parent.remote_ip,
        )
        row = (time, host.name, child.path, child.command, account, child.id, *parent)
        self.processes.append(row)
        return child

    def touch(
        self, host: Host, time: int, actor: _Process, touched: Sequence[Touch], cast: Cast
    ) -> None:
        """Note what ``actor`` does to files, a few milliseconds each."""
        for index, (action, path, previous) in enumerate(touched):
            before = previous and previous.format_map(cast)
            at = time + 3100 + index * 4700 + len(actor.path) * 37
            self.files.append((at, host.name, action, path.format_map(cast), before, *actor))


def linux_tables(estate: Estate, rng: Generator, rows: int) -> dict[str, dict[str, Array]]:
    """Return at least ``rows`` rows of both tables together, unsorted.

    Schedules run whether there is room for them or not; load and people fill the rest.
    """
    journal = _Journal(estate, [], [])
    words = linux_words()
    for activity in words.activities:
        if activity.every_min:
            _occur(rng, journal, activity, *_scheduled(estate, rng, activity))
    for session in sessions(estate, rng, int(rows * _TYPED_SHARE)):
        _type(rng, journal, session)
    driven = [activity for activity in words.activities if not activity.every_min]
    each_share = sum(a.share * (len(a.run) + len(a.files)) for a in driven)
    left = max(rows - len(journal.processes) - len(journal.files), rows // 5)
    for activity in driven:
        count = int(np.ceil(activity.share * left / each_share))
        _occur(rng, journal, activity, *_driven(estate, rng, activity, count))
    processes = _columns(_STARTED, journal.processes)
    files = _columns(_TOUCHED, journal.files)
    fill_processes(estate, rng, processes)
    fill_files(estate, rng, files)
    return {"DeviceProcessEvents": processes, "DeviceFileEvents": files}


def _columns(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, Array]:
    columns = dict(zip(names, map(objects, zip(*rows, strict=True)), strict=True))
    columns["Timestamp"] = columns["Timestamp"].astype(np.int64)
    return columns


def _hosts(estate: Estate, activity: Activity) -> list[Host]:
    return [h for h in estate.hosts if activity.roles is None or h.role in activity.roles]


def _scheduled(estate: Estate, rng: Generator, activity: Activity) -> tuple[list[Host], Array]:
    """Return hosts and times of a schedule; each host's clock and load delay it a little."""
    hosts = _hosts(estate, activity)
    times = clock.slots(estate, activity.every_min, activity.at_min)
    delay = rng.integers(20_000, 2 * clock.SECOND, len(hosts))[:, None]
    noise = rng.integers(0, 300_000, (len(hosts), len(times)))
    repeated = [host for host in hosts for _ in times]
    return repeated, (times[None, :] + delay + noise).ravel()


def _driven(
    estate: Estate, rng: Generator, activity: Activity, count: int
) -> tuple[list[Host], Array]:
    draw = {"flat": clock.flat, "load": clock.load, "people": clock.people}[activity.when]
    return list(pick(rng, _hosts(estate, activity), count)), draw(rng, estate, count)


def _occur(
    rng: Generator, journal: _Journal, activity: Activity, hosts: Sequence[Host], times: Array
) -> None:
    """Play ``activity`` on each host at each time."""
    played = casts(journal.estate, rng, hosts, times)
    pauses = rng.integers(3000, 90_000, (len(hosts), len(activity.run) + 1)).tolist()
    daemon = linux_words().daemons[activity.by]
    control = next(host.ip for host in journal.estate.hosts if host.role == "bastion")
    for host, time, cast, pause in zip(hosts, times.tolist(), played, pauses, strict=True):
        if activity.account:
            account = activity.account
            actor = _Process(
                daemon.path, f"sshd: {account}@notty", account, "sshd", remote_ip=control
            )
        else:
            account = host.service_account if daemon.account == "=" else daemon.account
            actor = _Process(daemon.path, daemon.command, account, "systemd")
        for step, wait in zip(activity.run, pause, strict=False):
            actor = journal.start(host, time, actor, step, cast)
            time += wait  # noqa: PLW2901  # the clock runs on
        journal.touch(host, time, actor, activity.files, cast)


def _type(rng: Generator, journal: _Journal, session: Session) -> None:
    """Play what a person types: a login shell, then command after command."""
    host, user = session.host, session.user
    played = casts(journal.estate, rng, [host] * len(session.times), np.array(session.times))
    begun = shell_start(host.name, user.name, session.times[0])
    login = _Process("/usr/sbin/sshd", f"sshd: {user.name}@pts/0", user.name, "sshd")
    if begun >= clock.begin(journal.estate):
        journal.start(host, begun, login, Step("/usr/bin/bash", user.name, "-bash"), played[0])
    shell = _Process("/usr/bin/bash", "-bash", user.name, "sshd", remote_ip=user.workstation_ip)
    touched = linux_words().touched
    for time, step, cast in zip(session.times, session.steps, played, strict=True):
        cast["u"] = user.name
        command = step.command.removeprefix("sudo ")
        if command == step.command:
            actor = journal.start(host, time, shell, Step(step.path, "^", command), cast)
        elif user.administrator:
            sudo = Step("/usr/bin/sudo", "root", step.command)
            parent = journal.start(host, time, shell, sudo, cast)
            time += 21_000  # noqa: PLW2901  # sudo asks, logs and forks
            actor = journal.start(host, time, parent, Step(step.path, "root", command), cast)
        else:
            continue
        key = " ".join(command.split()[:2])
        journal.touch(host, time, actor, touched.get(_stem(key), ()), cast)


def _stem(words: str) -> str:
    """Return the two words with a path cut to its first folder, as ``touched`` has them."""
    first, _, second = words.partition(" ")
    return f"{first} /{second.split('/')[1]}" if second.startswith("/") else words
