"""Drawing an estate from its seed: people, hosts and applications."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from fleetgym_estate.drawing import azure_ip, one, public_ip, some
from fleetgym_estate.estate import Application, Employee, Estate, Host, LinuxUser, Place
from fleetgym_estate.estate_cloud import draw_cloud
from fleetgym_estate.telemetry.data import read
from fleetgym_estate.telemetry.draw import guid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.random import Generator

__all__ = ["draw_estate"]

_EMPLOYEES = 44
_LINUX_USERS = 14

# Keeps the estate's draws apart from those that a caller makes from the same seed.
_STREAM = 0x657374617465

_SERVICE_ACCOUNTS = {
    "web": "www-data",
    "app": "appsvc",
    "db": "postgres",
    "ci": "jenkins",
    "build": "builder",
    "bastion": "root",
    "monitor": "prometheus",
    "mail": "postfix",
    "files": "minio",
    "cache": "redis",
}
_HOST_PATTERNS = ("{role}{n:02d}", "{role}-{n:02d}", "{site}-{role}-{n}", "{site}{role}{n:02d}")
_SITES = ("fra", "ams", "lon", "dub", "sto", "par", "iad", "ord")

# Purpose, name pattern, the client it speaks with, whether it signs in with a certificate.
_APPLICATIONS = (
    ("deploy", "{a}-deploy", "azsdk-go-armresources/v1.2.0 terraform/1.9.8", False),
    ("deploy", "gha-{b}-release", "AZURECLI/2.62.0 (DEB) azsdk-python-core/1.28.0", False),
    ("deploy", "{c}-pipeline", "azsdk-go-azidentity/v1.7.0 terraform/1.9.5", True),
    ("backup", "{company}-backup", "azsdk-python-mgmt-storage/21.2.1 Python/3.11.9", True),
    ("backup", "vault-archiver", "azsdk-net-Storage.Blobs/12.21.2 (.NET 8.0.7; Linux)", False),
    ("analytics", "{d}-analytics", "APN/1.0 Azure Blob FS/3.3 (Java 11.0.23; Linux)", False),
    ("analytics", "reporting-etl", "azsdk-python-storage-blob/12.20.0 Python/3.10.14", False),
    ("service", "{a}-api", "azsdk-net-Storage.Blobs/12.21.2 (.NET 8.0.7; Linux)", False),
    ("service", "{b}-web", "azsdk-js-azure-storage-blob/12.24.0 Node/v20.15.1", False),
    ("service", "{c}-worker", "azsdk-python-storage-blob/12.20.0 Python/3.12.4", True),
    ("monitor", "grafana-reader", "Go-http-client/2.0", False),
    ("monitor", "posture-scanner", "python-requests/2.32.3", True),
    ("directory", "hr-provisioning", "azsdk-net-Graph/5.56.0 (.NET 8.0.7; Linux)", True),
    ("directory", "{d}-directory-sync", "NodeFetch/1.0", False),
    ("mail", "{company}-mailer", "python-requests/2.31.0", False),
    ("rotation", "secret-rotator", "azsdk-python-msgraph-core/1.1.2 Python/3.11.9", True),
)


@cache
def _names() -> dict[str, Any]:
    """Return the lists of names; those written as words become tuples."""
    data = read("names.yaml", "fleetgym_estate")
    return {
        key: tuple(value.split()) if isinstance(value, str) else value
        for key, value in data.items()
    }


def draw_estate(seed: int) -> Estate:
    """Return the estate of ``seed``; another seed is another company at another time."""
    rng = np.random.default_rng([_STREAM, seed])
    names = _names()
    company = one(rng, names["company_first"]) + one(rng, names["company_second"])
    domain = f"{company}.example"
    # Monday to Thursday, so that both days are working days.
    start = datetime(2026, 1, 5) + timedelta(  # noqa: DTZ001  # UTC, as DuckDB's TIMESTAMP
        weeks=int(rng.integers(0, 44)), days=int(rng.integers(0, 4))
    )
    home = _place(one(rng, names["cities"]))
    office = f"{public_ip(rng).rpartition('.')[0]}.0/24"
    places: dict[str, Place] = {}
    employees = _employees(rng, names, domain, (home, office), places)
    applications = _applications(rng, names, company, employees, places)
    cloud = draw_cloud(rng, names, company, applications)
    regions = {name: _place(place) for name, *place in names["azure_regions"]}
    places.update({cluster.egress_ip: regions[cluster.location] for cluster in cloud.clusters})
    return Estate(
        seed=seed,
        company=company,
        tenant_id=guid(rng),
        workspace_id=guid(rng),
        domain=domain,
        start=start,
        end=start + timedelta(days=2),
        hosts=_hosts(rng, names, domain, start),
        linux_users=_linux_users(rng, employees),
        employees=employees,
        clusters=cloud.clusters,
        subscriptions=cloud.subscriptions,
        resource_groups=cloud.resource_groups,
        storage_accounts=cloud.storage_accounts,
        key_vaults=cloud.key_vaults,
        applications=(*applications, *cloud.identities),
        public_ranges=(office,),
        places=places,
    )


def _place(row: Sequence[Any]) -> Place:
    country, region, city, offset, latitude, longitude = row
    return Place(
        country=country,
        region=region,
        city=city,
        utc_offset_h=offset,
        latitude=latitude,
        longitude=longitude,
    )


def _employees(
    rng: Generator,
    names: Mapping[str, Any],
    domain: str,
    headquarters: tuple[Place, str],
    places: dict[str, Place],
) -> tuple[Employee, ...]:
    """Return the people, and note where their addresses are in ``places``."""
    home, office = headquarters
    network = office.rpartition(".")[0]
    first = some(rng, names["first_names"], _EMPLOYEES)
    last = some(rng, names["last_names"], _EMPLOYEES)
    prefix = one(rng, ("LT", "NB", "PC", "WS", "CLT"))
    gateways = [f"{network}.{host}" for host in some(rng, range(4, 60), 4)]
    places.update(dict.fromkeys(gateways, home))
    found: list[Employee] = []
    for index, (given, family) in enumerate(zip(first, last, strict=True)):
        place = home if rng.random() < 0.75 else _place(one(rng, names["cities"]))
        own = [public_ip(rng), public_ip(rng)]
        places.update(dict.fromkeys(own, place))
        ips = [one(rng, gateways), *own] if place is home else own
        system, browser, agent = one(rng, names["browsers"])
        administrator = index < 7
        found.append(
            Employee(
                upn=f"{given}.{family}@{domain}".lower(),
                display_name=f"{given} {family}",
                object_id=guid(rng),
                department="IT" if administrator else one(rng, names["departments"]),
                administrator=administrator,
                place=place,
                ips=tuple(ips),
                device_name=f"{prefix}-{rng.integers(0x100000, 0xFFFFFF):06X}",
                device_id=guid(rng),
                operating_system=system,
                browser=browser,
                user_agent=agent,
            )
        )
    return tuple(found)


def _hosts(
    rng: Generator, names: Mapping[str, Any], domain: str, start: datetime
) -> tuple[Host, ...]:
    pattern, site = one(rng, _HOST_PATTERNS), one(rng, _SITES)
    network = f"10.{rng.integers(8, 200)}.{rng.integers(0, 250)}"
    found: list[Host] = []
    for role, count in names["host_roles"].items():
        for n in range(1, count + 1):
            short = pattern.format(role=role, site=site, n=n)
            found.append(
                Host(
                    name=f"{short}.{domain}",
                    device_id=rng.bytes(20).hex(),
                    ip=f"{network}.{10 + len(found) * 3 + int(rng.integers(0, 3))}",
                    role=role,
                    service_account=_SERVICE_ACCOUNTS[role],
                    distribution=one(rng, ("Ubuntu 22.04", "Ubuntu 24.04", "Debian 12")),
                    boot=start - timedelta(seconds=int(rng.integers(3 * 86_400, 70 * 86_400))),
                )
            )
    return tuple(found)


def _linux_users(rng: Generator, employees: Sequence[Employee]) -> tuple[LinuxUser, ...]:
    """Return accounts of all administrators and some others, their names after one house style."""
    style = int(rng.integers(0, 3))
    network = f"10.{rng.integers(200, 250)}.{rng.integers(0, 250)}"
    chosen = employees[:_LINUX_USERS]
    found: list[LinuxUser] = []
    for index, employee in enumerate(chosen):
        given, _, family = employee.upn.partition("@")[0].partition(".")
        name = (given[0] + family, f"{given}.{family}", given + family[0])[style]
        found.append(
            LinuxUser(
                name=name,
                uid=1001 + index,
                upn=employee.upn,
                workstation_ip=f"{network}.{10 + index * 4 + int(rng.integers(0, 4))}",
                administrator=employee.administrator,
            )
        )
    return tuple(found)


def _applications(
    rng: Generator,
    names: Mapping[str, Any],
    company: str,
    employees: Sequence[Employee],
    places: dict[str, Place],
) -> tuple[Application, ...]:
    """Return the registered applications, and note where their addresses are in ``places``."""
    words = dict(zip("abcd", some(rng, names["products"], 4), strict=True))
    place = _place(one(rng, names["azure_regions"])[1:])
    owners = [employee for employee in employees if employee.administrator]
    found: list[Application] = []
    for purpose, pattern, agent, certificate in _APPLICATIONS:
        ips = tuple(azure_ip(rng) for _ in range(int(rng.integers(1, 4))))
        places.update(dict.fromkeys(ips, place))
        found.append(
            Application(
                display_name=pattern.format(company=company, **words),
                app_id=guid(rng),
                object_id=guid(rng),
                registration_id=guid(rng),
                purpose=purpose,
                key_id=guid(rng),
                thumbprint=rng.bytes(20).hex().upper() if certificate else "",
                owner_upn=one(rng, owners).upn,
                ips=ips,
                user_agent=agent,
            )
        )
    return tuple(found)
