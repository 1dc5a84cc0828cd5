"""The company of one instance: its hosts, people, clusters, subscriptions, applications.

Everything that more than one telemetry table speaks of is decided here, once, so that the tables
agree with each other. Drawn from the seed alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fleetgym_estate.drawing import public_ip

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from numpy.random import Generator

__all__ = [
    "Application",
    "Cluster",
    "Employee",
    "Estate",
    "Host",
    "KeyVault",
    "LinuxUser",
    "Place",
    "ResourceGroup",
    "StorageAccount",
    "Subscription",
    "Workload",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A Linux machine that reports to the Defender tables."""

    name: str
    """``DeviceName``, fully qualified."""

    device_id: str
    """``DeviceId``, 40 hexadecimal digits."""

    ip: str
    """Private address."""

    role: str
    """web, app, db, ci, build, bastion, monitor, mail, files or cache."""

    service_account: str
    """The account that its main service runs as, such as ``www-data``."""

    distribution: str
    """Such as ``Ubuntu 22.04``."""

    boot: datetime
    """Last boot, weeks before the window, in UTC without a time zone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinuxUser:
    """A person's account on the Linux hosts."""

    name: str
    uid: int
    upn: str
    """The employee whose account it is."""

    workstation_ip: str
    """Private address that the person comes from by SSH."""

    administrator: bool
    """May use sudo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an address is."""

    country: str
    region: str
    city: str
    utc_offset_h: int
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Employee:
    """A person with an account in the directory."""

    upn: str
    display_name: str
    object_id: str
    department: str
    administrator: bool
    """Works in IT and administers Azure, the directory or the clusters."""

    place: Place
    ips: tuple[str, ...]
    """Public addresses the person is usually seen from: office (if any), home, mobile."""

    device_name: str
    device_id: str
    operating_system: str
    browser: str
    user_agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A deployment in a cluster."""

    namespace: str
    name: str
    service_account: str
    image: str
    """With tag."""

    pods: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """An AKS cluster."""

    name: str
    resource_id: str
    """``/subscriptions/…``, in lower case as the audit tables have it."""

    subscription_id: str
    resource_group: str
    location: str
    audit_table: str
    """``AKSAudit``, which gets all requests, or ``AKSAuditAdmin``: all but get, list and watch."""

    namespaces: tuple[str, ...]
    """Of the workloads; the system's own come on top."""

    workloads: tuple[Workload, ...]
    nodes: tuple[str, ...]
    api_server_pod: str
    """``PodName`` of its audit rows."""

    egress_ip: str
    """Public address of its nodes."""

    server_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """An Azure subscription."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceGroup:
    """A resource group."""

    name: str
    subscription_id: str
    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageAccount:
    """A storage account with its blob containers."""

    name: str
    resource_id: str
    subscription_id: str
    resource_group: str
    location: str
    containers: tuple[str, ...]
    reader_app_ids: tuple[str, ...]
    """Applications that work with it every day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyVault:
    """A key vault."""

    name: str
    resource_id: str
    subscription_id: str
    resource_group: str
    location: str
    secrets: tuple[str, ...]
    reader_app_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An application of the tenant with its service principal."""

    display_name: str
    app_id: str
    object_id: str
    """Of the service principal."""

    registration_id: str
    """Object id of the application registration."""

    purpose: str
    """deploy, backup, analytics, service, monitor, directory, mail, rotation or managed."""

    key_id: str
    """Of the credential in use."""

    thumbprint: str
    """Of its certificate; empty when it uses a secret or is managed."""

    owner_upn: str
    ips: tuple[str, ...]
    user_agent: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Estate:
    """All of it. Everything is drawn from the seed alone, so two of one seed are equal."""

    seed: int
    company: str
    """Short name, lower case."""

    tenant_id: str
    workspace_id: str
    """What the log tables call ``TenantId``."""

    domain: str
    start: datetime
    """Begin of the two days that the telemetry covers, in UTC without a time zone."""

    end: datetime
    hosts: tuple[Host, ...]
    linux_users: tuple[LinuxUser, ...]
    employees: tuple[Employee, ...]
    clusters: tuple[Cluster, ...]
    subscriptions: tuple[Subscription, ...]
    resource_groups: tuple[ResourceGroup, ...]
    storage_accounts: tuple[StorageAccount, ...]
    key_vaults: tuple[KeyVault, ...]
    applications: tuple[Application, ...]
    public_ranges: tuple[str, ...]
    """The company's own public networks, in CIDR notation."""

    places: Mapping[str, Place]
    """Of every public address that the estate uses."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Estate) and other.seed == self.seed

    def __hash__(self) -> int:
        return self.seed

    @cached_property
    def host_by_name(self) -> Mapping[str, Host]:
        """Hosts by ``DeviceName``."""
        return {host.name: host for host in self.hosts}

    @cached_property
    def linux_user_by_name(self) -> Mapping[str, LinuxUser]:
        """People's Linux accounts by name."""
        return {user.name: user for user in self.linux_users}

    @cached_property
    def employee_by_upn(self) -> Mapping[str, Employee]:
        """Employees by user principal name, in lower case."""
        return {employee.upn: employee for employee in self.employees}

    @cached_property
    def application_by_id(self) -> Mapping[str, Application]:
        """Applications by application id."""
        return {application.app_id: application for application in self.applications}

    @cached_property
    def administrators(self) -> tuple[Employee, ...]:
        """Employees who administer something; at least four."""
        return tuple(employee for employee in self.employees if employee.administrator)

    @cached_property
    def kubernetes_users(self) -> tuple[Employee, ...]:
        """Employees who use kubectl: administrators and engineers."""
        return tuple(e for e in self.employees if e.administrator or e.department == "Engineering")

    @cached_property
    def application_by_object_id(self) -> Mapping[str, Application]:
        """Applications by the object id of their service principal."""
        return {application.object_id: application for application in self.applications}

    def clusters_of(self, table: str) -> tuple[Cluster, ...]:
        """Return the clusters whose audit goes to ``table``; two for either."""
        return tuple(cluster for cluster in self.clusters if cluster.audit_table == table)

    def applications_for(self, purpose: str) -> tuple[Application, ...]:
        """Return the applications of one purpose."""
        return self._applications_by_purpose.get(purpose, ())

    @cached_property
    def _applications_by_purpose(self) -> Mapping[str, tuple[Application, ...]]:
        purposes = dict.fromkeys(app.purpose for app in self.applications)
        return {
            purpose: tuple(app for app in self.applications if app.purpose == purpose)
            for purpose in purposes
        }

    def outside_ips(self, rng: Generator, n: int) -> list[str]:
        """Return ``n`` different public addresses that nothing of the estate uses."""
        found: list[str] = []
        while len(found) < n:
            address = public_ip(rng)
            if address not in self.places and address not in found:
                found.append(address)
        return found
