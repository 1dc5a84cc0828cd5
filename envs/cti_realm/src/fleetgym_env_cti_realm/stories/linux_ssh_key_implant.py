"""An intruder's public key spreads from server to server.

The implants are key files that a command names, in somebody else's home, from a session whose
origin is a server other than the bastion. Each kind of look-alike lacks exactly one of the three.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fleetgym_env_cti_realm.stories.plot import Plot
from fleetgym_estate.drawing import one, some
from fleetgym_estate.trail import Process, Trail, daemon, login

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Estate, Host

__all__ = ["draw"]

_PIVOT_ROLES = frozenset({"web", "app", "ci", "build", "files"})
_HOMES = {
    "ansible": "/home/ansible",
    "backup": "/var/backups",
    "git": "/srv/git",
    "gitlab-runner": "/home/gitlab-runner",
    "jenkins": "/var/lib/jenkins",
    "minio": "/home/minio",
    "postgres": "/var/lib/postgresql",
    "root": "/root",
}
_OWNERS = ("backup", "git", "gitlab-runner", "jenkins", "postgres")
# Path and command line of a program, and what a shell runs to come to it.
_TOOLS = (
    ("/usr/bin/tee", "tee -a {file}", "echo {key} | {sudo}tee -a {file}"),
    ("/usr/bin/sed", "sed -i $a{key} {file}", "{sudo}sed -i '$a{key}' {file}"),
    (
        "/usr/bin/dd",
        "dd of={file} oflag=append conv=notrunc status=none",
        "echo {key} | {sudo}dd of={file} oflag=append conv=notrunc status=none",
    ),
    ("/usr/bin/cp", "cp {staged} {file}", "{sudo}cp {staged} {file}"),
    (
        "/usr/bin/python3.11",
        "python3 -c open('{file}','a').write('{key}\\n')",
        "{sudo}python3 -c \"open('{file}','a').write('{key}\\n')\"",
    ),
    ("/usr/bin/dash", "sh -c cat {staged} >> {file}", "{sudo}sh -c 'cat {staged} >> {file}'"),
)
_AGENTS = (
    ("/usr/bin/bash", "/bin/bash /usr/local/sbin/sync-ssh-keys --push --account {owner}"),
    (
        "/opt/puppetlabs/puppet/bin/ruby",
        "puppet apply --modulepath /etc/puppet/modules -e accounts",
    ),
    ("/usr/bin/python3.11", "/usr/bin/python3 /usr/local/lib/keyd/apply.py --team {owner}"),
)
_PUSHES = ("/usr/local/sbin/push-accounts", "/usr/local/sbin/keyd-push", "/opt/ops/bin/fan-out")
_MOST_ROWS = 9  # what the query tool returns, and one less
_FILES = ("authorized_keys", "authorized_keys", "authorized_keys2")
_STAGED = ("/dev/shm/.{0}", "/tmp/.{0}", "/var/tmp/{0}.pub")  # noqa: S108  # not files of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    """A public key that somebody hands out."""

    line: str
    """As key files have it; the comment names a person."""

    staged: str
    """File that it is kept in on its way."""

    @classmethod
    def draw(cls, estate: Estate, rng: Generator) -> _Key:
        """Return a new one."""
        blob = b64encode(rng.bytes(33)).decode().replace("+", "x").replace("/", "y")
        comment = f"{one(rng, estate.linux_users).name}@{estate.company}"
        return cls(
            line=f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{blob[:43]} {comment}",
            staged=one(rng, _STAGED).format(rng.bytes(3).hex()),
        )


def draw(estate: Estate, rng: Generator) -> Plot:
    """Draw the intrusion and its look-alikes."""
    trail = Trail(rng)
    servers = some(rng, [h for h in estate.hosts if h.role in _PIVOT_ROLES], 5)
    pivots = servers[: 1 + int(rng.integers(0, 2))]
    _intrude(estate, trail, pivots)
    # Half of the honest changes from servers come from the pivots too.
    origins = [*pivots, *pivots, *servers[2:]]
    for _ in range(int(rng.integers(11, 15))):
        _by_agent(estate, trail, one(rng, origins))
    # Honest keys come to several servers too.
    keys = [_Key.draw(estate, rng) for _ in range(6)]
    for _ in range(int(rng.integers(11, 15))):
        _own_key(estate, trail, one(rng, origins), one(rng, keys))
    for _ in range(int(rng.integers(11, 15))):
        _by_administrator(estate, trail, one(rng, keys))
    return Plot(
        events=trail.events,
        patterns={
            "FolderPath": r"/\.ssh/authorized_keys2?$",
            "InitiatingProcessRemoteSessionIP": "|".join(
                f"^{re.escape(pivot.ip)}$" for pivot in pivots
            ),
        },
    )


def _intrude(estate: Estate, trail: Trail, pivots: list[Host]) -> None:
    """Let the intruder go from the first pivot to others, one of them the second."""
    rng = trail.rng
    at = estate.start + timedelta(seconds=int(rng.integers(4 * 3600, 40 * 3600)))
    key = _Key.draw(estate, rng)
    file = one(rng, _FILES)
    stolen = one(rng, estate.linux_users)
    user = one(rng, [None, None, *[u for u in estate.linux_users if u.administrator]])
    account = user.name if user else "root"
    pool = [h for h in estate.hosts if h not in pivots and h.role != "bastion"]
    targets = some(rng, pool, int(rng.integers(4, 6)))
    _collect_keys(trail, pivots[0], at - timedelta(minutes=9))
    if len(pivots) > 1:
        targets.insert(1, pivots[1])
    identity = f"/home/{stolen.name}/.ssh/id_ed25519"
    second_keys = _MOST_ROWS - len(targets)
    for index, target in enumerate(targets):
        at += timedelta(seconds=int(rng.integers(40, 900)))
        pivot = pivots[-1] if index > 2 else pivots[0]
        many = second_keys > 0 and rng.random() < 0.5
        second_keys -= many
        owners = some(rng, _others(estate, account), 2 if many else 1)
        files = [_path(owner, file) for owner in owners]
        tool = one(rng, _TOOLS)
        shell = _shell(pivot, "root", "cron", "bash -i")
        _connect(trail, at, shell, identity, f"{account}@{target.ip}")
        for number, path in enumerate(files):
            _write(
                trail,
                at + timedelta(seconds=1 + 2 * number),
                login(target, account, pivot.ip),
                tool=tool,
                key=key,
                file=path,
                asked_for=True,
            )


def _collect_keys(trail: Trail, pivot: Host, at: datetime) -> None:
    worker = daemon(pivot, "cron", account="root")
    shell = trail.start(at, worker, "/usr/bin/bash", "bash -i", account="root")
    command = "find /home /root /var/lib -name id_* -not -name *.pub"
    trail.start(at + timedelta(seconds=8), shell, "/usr/bin/find", command)


def _connect(trail: Trail, at: datetime, shell: Process, identity: str, destination: str) -> None:
    """Note the client's side of a session without a terminal."""
    command = f"ssh -i {identity} -o StrictHostKeyChecking=no {destination} sh"
    trail.start(at, shell, "/usr/bin/ssh", command)


def _shell(host: Host, account: str, parent: str, command: str) -> Process:
    path = "/usr/bin/bash" if "bash" in command else "/usr/bin/dash"
    return Process(host=host, path=path, command=command, account=account, parent=parent)


def _unpacked(rng: Generator) -> str:
    """Return where an agent puts the private key that it works with."""
    return f"/tmp/{one(rng, ('deploy', 'build', 'keyd'))}-{rng.bytes(3).hex()}/id_ed25519"  # noqa: S108  # not a file of ours


def _write(
    trail: Trail,
    at: datetime,
    session: Process,
    *,
    tool: tuple[str, str, str],
    key: _Key,
    file: str,
    own: bool = False,
    asked_for: bool = False,
) -> None:
    """Let a session run a command that writes the key file, by ``sudo`` unless it is root's."""
    path, line, typed = tool
    raised = session.account != "root" and not own
    words = {"key": key.line, "staged": key.staged, "file": file}
    command = typed.format(**words, sudo="sudo " if raised else "")
    actor = trail.start(at, session, "/usr/bin/bash", f"bash -c {command}")
    line = line.format(**words)
    if raised:
        actor = trail.start(
            at + timedelta(milliseconds=140), actor, "/usr/bin/sudo", f"sudo {line}", account="root"
        )
    writer = trail.start(at + timedelta(milliseconds=260), actor, path, line)
    # ``sed -i`` and ``cp`` write a new file.
    action = "FileCreated" if path in {"/usr/bin/cp", "/usr/bin/sed"} else "FileModified"
    done = at + timedelta(milliseconds=400)
    trail.touch(done, writer, file, action, asked_for=asked_for)


def _by_agent(estate: Estate, trail: Trail, origin: Host) -> None:
    """Key distribution that is pushed from a server: everybody's home, but by a program."""
    rng = trail.rng
    host = _elsewhere(estate, rng, origin)
    owner = one(rng, _others(estate, "root"))
    path, line = one(rng, _AGENTS)
    at = _when(estate, rng)
    scheduler = _shell(origin, "root", "cron", f"/bin/sh -c {one(rng, _PUSHES)}")
    _connect(trail, at - timedelta(seconds=1), scheduler, _unpacked(rng), f"root@{host.ip}")
    shell = trail.start(
        at, login(host, "root", origin.ip), "/usr/bin/bash", f"bash -c {line.format(owner=owner)}"
    )
    agent = trail.start(at + timedelta(milliseconds=200), shell, path, line.format(owner=owner))
    action = one(rng, ("FileModified", "FileModified", "FileCreated"))
    done = at + timedelta(milliseconds=900)
    trail.touch(done, agent, _path(owner, one(rng, _FILES)), action)


def _own_key(estate: Estate, trail: Trail, origin: Host, key: _Key) -> None:
    """Somebody who moves on from a server and adds a key to their own file."""
    rng = trail.rng
    user = one(rng, estate.linux_users)
    account = "root" if rng.random() < 0.3 else user.name
    file = _path(account, one(rng, _FILES))
    host, at = _elsewhere(estate, rng, origin), _when(estate, rng)
    identity = one(rng, (f"/home/{user.name}/.ssh/id_ed25519", _unpacked(rng)))
    client = _shell(origin, user.name, "sshd", "-bash")
    _connect(trail, at - timedelta(seconds=1), client, identity, f"{account}@{host.ip}")
    session = login(host, account, origin.ip)
    _write(trail, at, session, tool=one(rng, _TOOLS), key=key, file=file, own=True)


def _by_administrator(estate: Estate, trail: Trail, key: _Key) -> None:
    """An administrator who prepares somebody's account, from the workstation or the bastion."""
    rng = trail.rng
    user = one(rng, [u for u in estate.linux_users if u.administrator])
    bastion = next(host for host in estate.hosts if host.role == "bastion")
    through = rng.random() < 0.5
    account = "root" if through else user.name
    session = login(one(rng, estate.hosts), account, bastion.ip if through else user.workstation_ip)
    file = _path(one(rng, _others(estate, account)), one(rng, _FILES))
    _write(trail, _when(estate, rng), session, tool=one(rng, _TOOLS), key=key, file=file)


def _others(estate: Estate, account: str) -> list[str]:
    """Return accounts whose key file is not that of ``account`` or root."""
    people = [user.name for user in estate.linux_users]
    return [owner for owner in (*people, *_OWNERS) if owner not in {account, "root"}]


def _path(owner: str, file: str) -> str:
    """Return the path of a file in the directory that the SSH daemon reads."""
    return f"{_HOMES.get(owner, f'/home/{owner}')}/.ssh/{file}"


def _elsewhere(estate: Estate, rng: Generator, origin: Host) -> Host:
    return one(rng, [host for host in estate.hosts if host is not origin])


def _when(estate: Estate, rng: Generator) -> datetime:
    return estate.start + timedelta(seconds=int(rng.integers(600, 47 * 3600)))
