"""The columns of Linux process and file events that follow from the others.

Process ids, report ids and sessions are functions of host and time, hashes of distribution and
path: rows that are completed one by one fit those that were made thousands at a time.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache, partial
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from fleetgym_estate.telemetry.clock import HOUR, SECOND, begin
from fleetgym_estate.telemetry.columns import constant, put, put_each
from fleetgym_estate.telemetry.draw import Array, each, stable
from fleetgym_estate.telemetry.linux_words import ACCOUNT_IDS, linux_words

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Estate

__all__ = ["INITIATOR", "fill_files", "fill_processes", "pid_at", "shell_start"]

INITIATOR = (
    "InitiatingProcessFolderPath",
    "InitiatingProcessCommandLine",
    "InitiatingProcessAccountName",
    "InitiatingProcessParentFileName",
)
"""What has to be known of the process that acts."""

_SYSTEM = ("/usr/", "/bin/", "/sbin/", "/lib/", "/opt/microsoft/")
_SHELLS = frozenset({"-bash", "bash", "-sh", "/bin/bash", "-zsh", "/usr/bin/bash"})
_SESSION = 2 * HOUR
_PIDS = 4_194_304


@lru_cache(maxsize=4096)
def _host(seed: int, name: str) -> tuple[int, int, int, int]:
    """Return first pid, pids per 1000 s, first report and reports per 1000 s of a host."""
    bits = stable("host", seed, name)
    return (
        bits % _PIDS,
        400_000 + (bits >> 22) % 900_000,
        (bits >> 36) % 90_000,
        40 + (bits >> 50) % 400,
    )


def pid_at(estate: Estate, host: str, time: int) -> int:
    """Return the process id that ``host`` gives out at ``time`` (microseconds since 1970)."""
    first, rate, _, _ = _host(estate.seed, host)
    # Python's integers: the product is beyond 64 bits.
    return (first + int(time) * rate // (1000 * SECOND)) % _PIDS


def _report(estate: Estate, host: str, time: int) -> int:
    _, _, first, rate = _host(estate.seed, host)
    return first + (int(time) - begin(estate) + 720 * HOUR) * rate // (1000 * SECOND)


@lru_cache(maxsize=65_536)
def _content(*parts: object) -> tuple[str, str, str, int]:
    """Return SHA-1, SHA-256, MD5 and size of the file that ``parts`` name."""
    text = "\x1f".join(map(str, parts)).encode()
    digits = hashlib.shake_128(text).hexdigest(72)
    size = 1500 + int(digits[136:], 16) % 2_000_000
    return digits[:40], digits[40:104], digits[104:136], size


def _image(estate: Estate, host: str, path: str) -> tuple[str, str, str, int]:
    """Return the content of a program: the distribution's, or else that of the path everywhere."""
    if path.startswith(_SYSTEM):
        return _content(estate.host_by_name[host].distribution, path)
    return _content(estate.seed, path)


def _target(
    estate: Estate, host: str, path: str, action: str, time: int
) -> tuple[str | None, str | None, str | None, int | None]:
    """Return the content of a file as it is written; unknown once it is deleted."""
    if action == "FileDeleted":
        return None, None, None, None
    name = path.rpartition("/")[2]
    if "." not in name or path.startswith(_SYSTEM):
        return _image(estate, host, path)
    return _content(estate.seed, host, path, time // (60 * SECOND))


def fill_processes(estate: Estate, rng: Generator, columns: dict[str, Array]) -> None:
    """Add all columns of ``DeviceProcessEvents`` that follow from those that are there.

    ``Timestamp`` is in microseconds. Entries that are None are filled as absent columns are.
    """
    hosts, times = columns["DeviceName"], columns["Timestamp"]
    n = len(times)
    paths, accounts = columns["FolderPath"], columns["AccountName"]
    _device(estate, columns)
    _contents(columns, each(partial(_image, estate), hosts, paths))
    put(columns, "FileName", each(_base, paths))
    put(columns, "ActionType", constant("ProcessCreated", n))
    put_each(columns, "ProcessId", partial(pid_at, estate), hosts, times.tolist())
    put(columns, "ProcessCreationTime", times)
    put(columns, "ProcessTokenElevation", constant("None", n))
    put(columns, "AccountDomain", each(_short, hosts))
    _initiator(estate, rng, columns)
    session = each(partial(_session, estate), hosts, accounts, times.tolist())
    put(columns, "LogonId", session)
    put(columns, "CreatedProcessSessionId", session)
    put(columns, "InitiatingProcessLogonId", columns["InitiatingProcessSessionId"])
    actors = columns["InitiatingProcessAccountName"]
    put(columns, "AdditionalFields", each(_posix, accounts, actors, columns["ProcessId"]))


def fill_files(estate: Estate, rng: Generator, columns: dict[str, Array]) -> None:
    """Add all columns of ``DeviceFileEvents`` that follow, as :func:`fill_processes` does."""
    hosts, times = columns["DeviceName"], columns["Timestamp"]
    n = len(times)
    paths, actions = columns["FolderPath"], columns["ActionType"]
    _device(estate, columns)
    contents = each(partial(_target, estate), hosts, paths, actions, times.tolist())
    _contents(columns, contents)
    put(columns, "FileName", each(_base, paths))
    _initiator(estate, rng, columns)
    previous = columns.get("PreviousFolderPath", constant(None, n))
    put(columns, "PreviousFileName", each(_base_or_none, previous))
    actors = columns["InitiatingProcessAccountName"]
    put(columns, "RequestAccountName", actors)
    put(columns, "RequestProtocol", constant("Local", n))
    put(columns, "AdditionalFields", each(_file_type, paths))


def _known(value: object) -> bool:
    return value is not None


def _base_or_none(path: str | None) -> str | None:
    return None if path is None else _base(path)


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _short(host: str) -> str:
    return host.partition(".")[0]


def _device(estate: Estate, columns: dict[str, Array]) -> None:
    device_ids = {host.name: host.device_id for host in estate.hosts}
    hosts, times = columns["DeviceName"], columns["Timestamp"].tolist()
    put(columns, "DeviceId", each(device_ids.__getitem__, hosts))
    put(columns, "ReportId", each(partial(_report, estate), hosts, times))


def _contents(columns: dict[str, Array], contents: Array, prefix: str = "") -> None:
    sizes = "FileSize" if not prefix else f"{prefix}FileSize"
    for index, name in enumerate((f"{prefix}SHA1", f"{prefix}SHA256", f"{prefix}MD5", sizes)):
        put(columns, name, each(itemgetter(index), contents))


def _initiator(estate: Estate, rng: Generator, columns: dict[str, Array]) -> None:
    """Fill the columns of the acting process, which both tables share."""
    hosts, times = columns["DeviceName"], columns["Timestamp"].tolist()
    paths, commands = columns[INITIATOR[0]], columns[INITIATOR[1]]
    actors, parents = columns[INITIATOR[2]], columns[INITIATOR[3]]
    name, n = "InitiatingProcess", len(times)
    put(columns, f"{name}FileName", each(_base, paths))
    _contents(columns, each(partial(_image, estate), hosts, paths), name)
    put(columns, f"{name}AccountDomain", each(_short, hosts))
    put(columns, f"{name}TokenElevation", constant("None", n))
    waits = (rng.exponential(0.4, n) * SECOND + 2000).astype(np.int64).tolist()
    moments = zip(times, waits, strict=True)
    images = zip(paths, commands, strict=True)
    put_each(
        columns, f"{name}CreationTime", partial(_birth, estate), hosts, moments, images, actors
    )
    born = columns[f"{name}CreationTime"]
    put_each(columns, f"{name}Id", partial(_actor_pid, estate), hosts, paths, born)
    parents_born = f"{name}ParentCreationTime"
    put_each(columns, parents_born, partial(_parent_birth, estate), hosts, parents, born)
    put_each(
        columns,
        f"{name}ParentId",
        partial(_parent_pid, estate),
        *(hosts, parents, columns[parents_born]),
    )
    put_each(columns, f"{name}SessionId", partial(_session, estate), hosts, actors, times)
    put_each(columns, f"{name}RemoteSessionIP", partial(_remote_ip, estate), actors)
    remote = columns[f"{name}RemoteSessionIP"]
    put(columns, f"Is{name}RemoteSession", each(_known, remote))


@lru_cache(maxsize=4096)
def _boot(estate: Estate, host: str, what: str) -> int:
    """Return when a daemon started: a minute or so after its host's last boot, systemd then."""
    boot = int(np.datetime64(estate.host_by_name[host].boot, "us").astype(np.int64))
    return boot if what == "systemd" else boot + stable("daemon", host, what) % (90 * SECOND)


def _birth(
    estate: Estate, host: str, at: tuple[int, int], image: tuple[str, str], actor: str
) -> int:
    """Return when the process began that acted at a time, after a wait if it is short-lived."""
    time, wait = at
    path, command = image
    if linux_words().command_of.get(path) == command:
        return _boot(estate, host, _base(path))
    if command in _SHELLS:
        return shell_start(host, actor, time)
    return time - wait


def shell_start(host: str, account: str, time: int) -> int:
    """Return when the login shell began that a person uses on a host at ``time``."""
    begun = time // _SESSION * _SESSION
    return begun - stable("shell", host, account, begun) % (40 * 60 * SECOND)


def _actor_pid(estate: Estate, host: str, path: str, born: int) -> int:
    return 1 if path.endswith("/systemd") else pid_at(estate, host, born)


def _parent_pid(estate: Estate, host: str, parent: str, begun: int) -> int:
    return 1 if parent == "systemd" else pid_at(estate, host, begun)


def _parent_birth(estate: Estate, host: str, parent: str, born: int) -> int:
    begun = _boot(estate, host, parent)
    if parent == "systemd" or (parent in linux_words().daemons and begun < born):
        return begun
    return int(born) - 4000 - stable("parent", host, born) % (900 * 1000)


def _session(estate: Estate, host: str, account: str, time: int) -> int:
    """Return the session of a person's account; machines' accounts have none."""
    if account not in estate.linux_user_by_name and account != "ansible":
        return 0
    return 200 + stable("session", host, account, time // _SESSION) % 60_000


def _remote_ip(estate: Estate, actor: str) -> str | None:
    """Return where the session of an account comes from; services have none."""
    user = estate.linux_user_by_name.get(actor)
    if user:
        return user.workstation_ip
    if actor == "ansible":
        return next(host.ip for host in estate.hosts if host.role == "bastion")
    return None


def _posix(account: str, actor: str, group: int) -> str:
    return (
        '{"InitiatingProcessPosixEffectiveUser":{"Name":"%s","PosixUserId":%d},'  # noqa: UP031
        '"ProcessPosixEffectiveUser":{"Name":"%s","PosixUserId":%d},'
        '"ProcessPosixProcessGroupId":%d}' % (actor, _uid(actor), account, _uid(account), group)
    )


def _uid(account: str) -> int:
    return ACCOUNT_IDS.get(account) or (0 if account == "root" else 1000 + stable(account) % 60)


def _file_type(path: str) -> str | None:
    kind = _TYPES.get(path.rpartition(".")[2])
    return '{"FileType":"%s"}' % kind if kind else None  # noqa: UP031


_TYPES = {
    "conf": "Text",
    "gz": "GZip",
    "json": "Json",
    "log": "Text",
    "o": "Elf",
    "pdf": "Pdf",
    "py": "PythonScript",
    "service": "Text",
    "sh": "ShellScript",
    "webp": "WebP",
    "yaml": "Text",
}
