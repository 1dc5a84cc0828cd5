"""A token is read out of a pod and used elsewhere to read secrets.

The intrusion's requests are reads of secrets, from an address that the service account did not have
before somebody printed its token in a pod. Each kind of look-alike lacks exactly one of the three.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from fleetgym_env_cti_realm.stories.plot import Plot
from fleetgym_estate.audit import execute, request
from fleetgym_estate.drawing import one, some

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Cluster, Estate, Workload
    from fleetgym_estate.event import Event

__all__ = ["draw"]

_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
_COMMANDS = (
    ("cat", f"{_FOLDER}/token"),
    ("base64", "-w0", f"{_FOLDER}/token"),
    ("head", "-c", "4096", f"{_FOLDER}/token"),
    ("sh", "-c", f"cat {_FOLDER}/token"),
    ("tar", "-cf", "-", _FOLDER),
    ("cat", f"/run{_FOLDER.removeprefix('/var/run')}/token"),
)
_CLIENTS = (
    "kubectl/v1.29.6 (linux/amd64) kubernetes/062798d",
    "kubectl/v1.31.1 (linux/amd64) kubernetes/948afe5",
    "curl/8.5.0",
    "curl/7.88.1",
    "python-requests/2.32.3",
    "Go-http-client/2.0",
    "OpenAPI-Generator/30.1.0/python",
)
_SUFFIXES = ("credentials", "tls", "registry", "webhook-key", "db", "smtp")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """A workload's service account."""

    cluster: Cluster
    work: Workload

    @property
    def username(self) -> str:
        return f"system:serviceaccount:{self.work.namespace}:{self.work.service_account}"


def draw(estate: Estate, rng: Generator) -> Plot:
    """Draw the intrusion and its look-alikes."""
    cluster = one(rng, estate.clusters_of("AKSAudit"))
    own = _accounts(cluster)
    others = [a for c in estate.clusters_of("AKSAudit") if c is not cluster for a in _accounts(c)]
    # The intrusion's neighbors: at least one of each kind is in the same cluster.
    mixed = some(rng, own, len(own))
    stolen = mixed[: 1 + int(rng.integers(0, 2))]
    rest = mixed[2:] + some(rng, others, len(others))
    plot = _Scene(estate, rng)
    address = plot.intrude(stolen)
    for account in rest[0:2]:
        plot.inside(account)
    for number, account in enumerate(rest[2:5]):
        plot.outside(account, debugged=number == 0)
    for account in rest[5:7]:
        plot.borrowed(account)
    plot.reduced_audit()
    return Plot(
        events=plot.events,
        patterns={
            "RequestUri": r"/secrets",
            "SourceIps": re.escape(address),
        },
    )


def _accounts(cluster: Cluster) -> list[_Account]:
    """Return the accounts that are named after their workload."""
    works = [work for work in cluster.workloads if work.service_account == work.name]
    return [_Account(cluster=cluster, work=work) for work in works]


class _Scene:
    """Events as they come to be."""

    def __init__(self, estate: Estate, rng: Generator) -> None:
        self.events: list[Event] = []
        self._estate = estate
        self._rng = rng
        self._place = int(rng.integers(0, 3))
        """Kind of address that the intruder and those who hold tokens outside have."""

    def intrude(self, stolen: list[_Account]) -> str:
        """Let the intruder print one or two tokens and use them; return where from."""
        rng, estate = self._rng, self._estate
        address = self._address(stolen[0].cluster, self._place)
        victim = one(rng, estate.kubernetes_users)
        entry = estate.outside_ips(rng, 1)[0]
        at = self._when(6, 42)
        client = one(rng, _CLIENTS)
        total = int(rng.integers(5, 10))
        for index, account in enumerate(stolen):
            self._usual(account)
            at += timedelta(seconds=int(rng.integers(200, 1500)))
            self._print_token(account, at, victim.upn, entry)
            start = at + timedelta(seconds=int(rng.integers(120, 1400)))
            self._look_around(account, start, address, client)
            count = total // len(stolen) + (index < total % len(stolen))
            self._read(account, start, address, client, count, asked_for=True)
            self._own_secret(account, at - timedelta(hours=1))
        self._try_out(at - timedelta(minutes=30), victim.upn, entry)
        return address

    def _try_out(self, at: datetime, username: str, entry: str) -> None:
        """The intruder's exec in another cluster, which comes to nothing."""
        cluster = one(self._rng, self._estate.clusters_of("AKSAuditAdmin"))
        work = one(self._rng, cluster.workloads)
        pod = (work.namespace, one(self._rng, work.pods))
        self.events.append(execute(cluster, at, username, pod, ("id",), ip=entry))

    def inside(self, account: _Account) -> None:
        """A developer prints the token in a pod and reads secrets there: the usual address."""
        self._usual(account)
        at = self._when(6, 42)
        self._debug(account, at)
        start = at + timedelta(seconds=int(self._rng.integers(120, 1400)))
        client, count = one(self._rng, _CLIENTS), int(self._rng.integers(5, 9))
        self._read(account, start, None, client, count)

    def outside(self, account: _Account, *, debugged: bool) -> None:
        """A pipeline or an appliance that holds a token, and has for long: no exec before it."""
        rng = self._rng
        self._usual(account)
        address = self._address(account.cluster, self._place)
        client = one(rng, _CLIENTS)
        for begin in (0, 24):
            at = self._when(begin, begin + 12)
            self._look_around(account, at, address, client)
            self._read(account, at, address, client, int(rng.integers(2, 4)))
        if debugged:
            self._debug(account, self._when(13, 22))

    def borrowed(self, account: _Account) -> None:
        """An engineer who borrows a token and looks at pods and configuration: no secrets."""
        rng = self._rng
        self._usual(account)
        at = self._when(6, 42)
        self._debug(account, at)
        address = self._address(account.cluster, int(rng.integers(0, 3)))
        client = one(rng, _CLIENTS)
        for resource in ("pods", "configmaps", "services", "endpoints", "configmaps", "events"):
            at += timedelta(seconds=int(rng.integers(30, 400)))
            target = {"resource": resource, "namespace": account.work.namespace}
            self._request(account, at, "list", target, ip=address, agent=client)

    def reduced_audit(self) -> None:
        """Developers print tokens in clusters with the reduced audit too."""
        for cluster in self._estate.clusters_of("AKSAuditAdmin"):
            self._debug(one(self._rng, _accounts(cluster)), self._when(6, 42))

    def _debug(self, account: _Account, at: datetime) -> None:
        """A developer, in the office or on a journey, prints the token in a pod."""
        rng = self._rng
        place = one(rng, (None, self._estate.outside_ips(rng, 1)[0]))
        self._print_token(account, at, one(rng, self._estate.kubernetes_users).upn, place)

    def _address(self, cluster: Cluster, kind: int) -> str:
        """Return an address that is not a pod's own: outside, in the network, or another pod's."""
        rng = self._rng
        return (
            self._estate.outside_ips(rng, 1)[0],
            f"10.240.{rng.integers(0, 16)}.{rng.integers(4, 250)}",
            f"10.244.{rng.integers(0, len(cluster.nodes))}.{rng.integers(211, 254)}",
        )[kind]

    def _when(self, first_h: float, last_h: float) -> datetime:
        seconds = int(self._rng.integers(int(first_h * 3600) + 1800, int(last_h * 3600)))
        return self._estate.start + timedelta(seconds=seconds)

    def _print_token(
        self, account: _Account, at: datetime, username: str, ip: str | None = None
    ) -> None:
        pod = (account.work.namespace, one(self._rng, account.work.pods))
        command = one(self._rng, _COMMANDS)
        self.events.append(execute(account.cluster, at, username, pod, command, ip=ip))

    def _usual(self, account: _Account) -> None:
        """The workload at the begin of the window, from its own address."""
        work, at = account.work, self._estate.start + timedelta(minutes=2)
        name = f"{work.name}-config"
        target = {"resource": "configmaps", "namespace": work.namespace, "name": name}
        for minutes in (0, 9, 21):
            later = at + timedelta(minutes=minutes, seconds=int(self._rng.integers(0, 300)))
            self._request(account, later, "get", target)

    def _own_secret(self, account: _Account, at: datetime) -> None:
        """The workload reads its own secret, as it always does."""
        work = account.work
        name = f"{work.name}-credentials"
        target = {"resource": "secrets", "namespace": work.namespace, "name": name}
        self._request(account, at, "get", target)

    def _look_around(self, account: _Account, at: datetime, address: str, client: str) -> None:
        targets = (
            ("create", {"resource": "selfsubjectrulesreviews"}),
            ("list", {"resource": "namespaces"}),
            ("list", {"resource": "pods", "namespace": account.work.namespace}),
        )
        for index, (verb, target) in enumerate(targets):
            earlier = at - timedelta(seconds=90 - 20 * index)
            self._request(account, earlier, verb, target, ip=address, agent=client)

    def _read(
        self,
        account: _Account,
        at: datetime,
        address: str | None,
        client: str,
        count: int,
        *,
        asked_for: bool = False,
    ) -> None:
        """Read secrets ``count`` times in one of three ways, some of it refused."""
        rng, cluster = self._rng, account.cluster
        way = one(rng, ("everywhere", "namespaces", "names"))
        home = account.work.namespace
        works = [w for w in cluster.workloads if way != "names" or w.namespace == home]
        works = some(rng, works, len(works))
        spaces = list(dict.fromkeys((home, *cluster.namespaces, "kube-system", "default")))
        for index in range(count):
            at += timedelta(seconds=int(rng.integers(2, 90)))
            work = works[index % len(works)]
            target: dict[str, str] = {"resource": "secrets"}
            verb = "get"
            if way == "namespaces":
                verb = "list"
                target["namespace"] = spaces[index % len(spaces)]
            elif way == "everywhere" and index == 0:
                verb = "list"
            else:
                target["namespace"] = work.namespace
                target["name"] = f"{work.name}-{_SUFFIXES[index % len(_SUFFIXES)]}"
            refused = target.get("namespace") != home and rng.random() < 0.4
            self._request(
                account,
                at,
                verb,
                target,
                ip=address,
                agent=client,
                code=403 if refused else 200,
                asked_for=asked_for,
            )

    def _request(
        self, account: _Account, at: datetime, verb: str, target: dict[str, str], **more: Any
    ) -> None:
        self.events.append(
            request(account.cluster, at, account.username, verb, target, **more),
        )
