"""The control plane of Azure: pipelines, backups, administrators, policies.

An operation is two rows, begun and ended, of one correlation.
"""

from __future__ import annotations

from functools import lru_cache, partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fleetgym_estate.estate import Application, Employee
from fleetgym_estate.microsoft import FIRST_PARTY
from fleetgym_estate.telemetry import clock
from fleetgym_estate.telemetry.columns import constant, put
from fleetgym_estate.telemetry.data import read
from fleetgym_estate.telemetry.draw import (
    Array,
    compact,
    each,
    guids,
    indices,
    name_guid,
    objects,
    pick,
)
from fleetgym_estate.telemetry.identity import application, person

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Cluster, Estate, KeyVault, StorageAccount

__all__ = ["activity_rows", "fill_activity"]

_PLATFORM_IDS = ("1d78a85d-813d-46f0-b496-dd72f50a3ec0", "abfa0a7c-a6b6-4736-8310-5855508787cd")


def activity_rows(estate: Estate, rng: Generator, rows: int) -> dict[str, Array]:
    """Return at least ``rows`` rows, unsorted."""
    pairs = (rows + 1) // 2
    operations: list[list[Any]] = read("activity.yaml")["operations"]
    drawn = objects(operations)[indices(rng, pairs, [o[0] for o in operations])]
    numbers = rng.integers(0, 1 << 40, pairs).tolist()
    kinds = each(itemgetter(4), drawn)
    callers = each(partial(_caller, estate), kinds, numbers)
    human = kinds == "administrator"
    begun = np.where(human, clock.people(rng, estate, pairs), clock.flat(rng, estate, pairs))
    begun = np.where(kinds == "backup", clock.nightly(rng, estate, pairs), begun)
    took = (rng.gamma(1.5, 2.5, pairs) * clock.SECOND).astype(np.int64) + 200_000
    failed = rng.random(pairs) < 0.025
    ended = np.where(failed, "Failure", "Success").astype(object)
    columns = {
        "TimeGenerated": np.concatenate([begun, begun + took]),
        "ActivityStatusValue": np.concatenate([constant("Start", pairs), ended]),
    }
    for name, values in {
        "OperationNameValue": each(itemgetter(1), drawn),
        "Caller": callers,
        "CorrelationId": guids(rng, pairs),
        "ResourceId": each(partial(_resource_id, estate), each(itemgetter(3), drawn), numbers),
    }.items():
        columns[name] = np.concatenate([values, values])
    fill_activity(estate, rng, columns)
    return columns


def _caller(estate: Estate, kind: str, number: int) -> str:
    """Return what the log calls the caller: a person by name, an application by object id."""
    if kind == "administrator":
        return estate.administrators[number % len(estate.administrators)].upn
    if kind == "platform":
        return _PLATFORM_IDS[number % 2]
    apps = estate.applications_for(kind)
    return apps[number % len(apps)].object_id


def _resource_id(estate: Estate, kind: str, number: int) -> str:
    """Return a resource of the kind."""
    owned = _owned(estate, kind)
    if owned:
        return owned[(number >> 6) % len(owned)]
    group = estate.resource_groups[(number >> 6) % len(estate.resource_groups)]
    scope = f"/subscriptions/{group.subscription_id}/resourceGroups/{group.name}"
    if kind == "group":
        return scope
    names = {
        "deployment": f"deploy-{estate.start:%Y%m%d}.{(number >> 11) % 40}",
        "assignment": name_guid("assignment", number),
        "machine": f"vm-{group.name[3:]}-{(number >> 11) % 3}",
        "snapshot": f"snap-{group.name[3:]}-{estate.start:%Y%m%d}-{(number >> 11) % 9}",
        "network": f"nsg-{group.name[3:]}",
    }
    provider, resource_type = read("activity.yaml")["resources"][kind]
    return f"{scope}/providers/{provider.title()}/{resource_type}/{names[kind]}"


def _owned(estate: Estate, kind: str) -> list[str]:
    """Return the ids of the estate's own resources of a kind, if it lists that kind."""
    owned: dict[str, tuple[StorageAccount | Cluster | KeyVault, ...]] = {
        "storage": estate.storage_accounts,
        "cluster": estate.clusters,
        "vault": estate.key_vaults,
    }
    return [resource.resource_id for resource in owned.get(kind, ())]


def fill_activity(estate: Estate, rng: Generator, columns: dict[str, Array]) -> None:
    """Add all columns that are missing, after those that are there."""
    n = len(columns["TimeGenerated"])
    put(columns, "OperationNameValue", constant("MICROSOFT.RESOURCES/DEPLOYMENTS/WRITE", n))
    operations = columns["OperationNameValue"]
    put(columns, "OperationName", each(_display_name, operations))
    put(columns, "CategoryValue", each(_category, operations))
    put(columns, "Category", columns["CategoryValue"])
    put(columns, "ActivityStatusValue", constant("Success", n))
    statuses = columns["ActivityStatusValue"]
    put(columns, "ActivityStatus", each(_old_status, statuses))
    put(columns, "ActivitySubstatusValue", each(_substatus, statuses))
    put(columns, "ActivitySubstatus", columns["ActivitySubstatusValue"])
    put(columns, "Level", each(_level, statuses))
    _resource(estate, rng, columns)
    _identity(estate, rng, columns)
    correlations = columns.setdefault("CorrelationId", guids(rng, n))
    put(columns, "OperationId", correlations)
    put(columns, "EventDataId", guids(rng, n))
    times = columns["TimeGenerated"].astype(np.int64)
    put(columns, "EventSubmissionTimestamp", times + rng.integers(20, 190, n) * clock.SECOND)
    put(columns, "Properties", each(_properties, *_facts(columns)))
    put(columns, "Properties_d", columns["Properties"])
    put(
        columns, "HTTPRequest", each(_request, columns["CorrelationId"], columns["CallerIpAddress"])
    )
    for name, value in {
        "SourceSystem": "Azure",
        "TenantId": estate.workspace_id,
        "Type": "AzureActivity",
    }.items():
        put(columns, name, constant(value, n))


def _facts(columns: dict[str, Array]) -> tuple[Array, ...]:
    names = ("ActivityStatusValue", "OperationNameValue", "ResourceId", "Hierarchy", "Caller")
    return tuple(columns[name] for name in names)


@lru_cache(maxsize=1024)
def _known(operation: str) -> list[Any] | None:
    rows = read("activity.yaml")["operations"]
    return next((row for row in rows if row[1] == operation.upper()), None)


def _display_name(operation: str) -> str:
    known = _known(operation)
    return known[2] if known else operation.title()


def _category(operation: str) -> str:
    known = _known(operation)
    return known[5] if known else "Administrative"


def _old_status(status: str) -> str:
    return {"Start": "Started", "Success": "Succeeded", "Failure": "Failed"}.get(status, status)


def _substatus(status: str) -> str:
    return {"Success": "OK", "Failure": "Conflict", "Accept": "Accepted"}.get(status, "")


def _level(status: str) -> str:
    return "Error" if status == "Failure" else "Informational"


class _Scope(NamedTuple):
    subscription: str
    group: str
    provider: str
    name: str


@lru_cache(maxsize=4096)
def _scope(resource_id: str) -> _Scope:
    """Return the parts of a resource's id."""
    parts = resource_id.split("/")
    lower = [part.lower() for part in parts]
    group = parts[lower.index("resourcegroups") + 1] if "resourcegroups" in lower else ""
    provider = parts[lower.index("providers") + 1] if "providers" in lower else ""
    subscription = parts[2] if len(parts) > 2 else ""
    return _Scope(subscription, group, provider or "Microsoft.Resources", parts[-1])


def _resource(estate: Estate, rng: Generator, columns: dict[str, Array]) -> None:
    n = len(columns["OperationNameValue"])
    if "_ResourceId" in columns:
        put(columns, "ResourceId", columns["_ResourceId"])
    numbers = rng.integers(0, 1 << 40, n).tolist()
    kinds = each(_kind, columns["OperationNameValue"])
    put(columns, "ResourceId", each(partial(_resource_id, estate), kinds, numbers))
    scopes = each(_scope, columns["ResourceId"])
    put(columns, "_ResourceId", each(str.lower, columns["ResourceId"]))
    put(columns, "SubscriptionId", each(itemgetter(0), scopes))
    put(columns, "_SubscriptionId", columns["SubscriptionId"])
    put(columns, "ResourceGroup", each(itemgetter(1), scopes))
    put(columns, "ResourceProvider", each(itemgetter(2), scopes))
    put(columns, "ResourceProviderValue", each(str.upper, columns["ResourceProvider"]))
    put(columns, "Resource", each(itemgetter(3), scopes))
    put(columns, "Hierarchy", each(f"{estate.tenant_id}/{{}}".format, columns["SubscriptionId"]))


def _kind(operation: str) -> str:
    known = _known(operation)
    if known:
        return known[3]
    provider = operation.upper().partition("/")[0]
    resources = read("activity.yaml")["resources"]
    return next((kind for kind, row in resources.items() if row[0] == provider), "group")


def _identity(estate: Estate, rng: Generator, columns: dict[str, Array]) -> None:
    """Fill who called, from where and by what right."""
    n = len(columns["OperationNameValue"])
    put(columns, "Caller", pick(rng, [a.upn for a in estate.administrators], n))
    callers = each(partial(_who, estate), columns["Caller"])
    numbers = [
        int.from_bytes(c.encode()[:4], "big") for c in columns.get("CorrelationId", ["0000"] * n)
    ]
    put(columns, "CallerIpAddress", each(_ip, callers, numbers))
    claims = each(partial(_claims, estate), callers, columns["CallerIpAddress"])
    put(columns, "Claims", claims)
    put(columns, "Claims_d", columns["Claims"])
    rights = each(_authorization, callers, columns["OperationNameValue"], columns["ResourceId"])
    put(columns, "Authorization", rights)
    put(columns, "Authorization_d", columns["Authorization"])


def _who(estate: Estate, caller: str) -> Application | Employee | None:
    """Return who a caller is; None is the platform itself."""
    if "@" in caller:
        return person(estate, caller)
    return None if caller in _PLATFORM_IDS else application(estate, caller)


def _ip(caller: Application | Employee | None, number: int) -> str:
    if caller is None:
        return ""
    ips = caller.ips
    return ips[number % len(ips)] if isinstance(caller, Application) else ips[0]


_CLAIMS = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims"


@lru_cache(maxsize=4096)
def _claims(estate: Estate, caller: Application | Employee | None, ip: str) -> str:
    base = {
        "aud": "https://management.core.windows.net/",
        "iss": f"https://sts.windows.net/{estate.tenant_id}/",
        "ver": "1.0",
    }
    if caller is None:
        return compact({**base, "appid": _PLATFORM_IDS[1]})
    identifier = "http://schemas.microsoft.com/identity/claims/objectidentifier"
    base |= {identifier: caller.object_id, "ipaddr": ip}
    if isinstance(caller, Application):
        azpacr = "2" if caller.thumbprint else "1"
        return compact({**base, "appid": caller.app_id, "appidacr": azpacr, "idtyp": "app"})
    return compact(
        {
            **base,
            "appid": FIRST_PARTY["Azure Portal"],
            "appidacr": "2",
            "name": caller.display_name,
            f"{_CLAIMS}/upn": caller.upn,
            "idtyp": "user",
        }
    )


def _authorization(caller: Application | Employee | None, operation: str, scope: str) -> str:
    kind = "User" if isinstance(caller, Employee) else "ServicePrincipal"
    who = caller.object_id if caller else _PLATFORM_IDS[0]
    role = "Owner" if isinstance(caller, Employee) else "Contributor"
    return (
        f'{{"action":"{_cased(operation)}","evidence":{{"principalId":"{who.replace("-", "")}",'
        f'"principalType":"{kind}","role":"{role}"}},"scope":"{scope}"}}'
    )


@lru_cache(maxsize=1024)
def _cased(operation: str) -> str:
    """Return an operation as the authorization spells it: ``Microsoft.Storage/…/action``."""
    provider, _, rest = operation.partition("/")
    return f"{provider.title()}/{rest.lower()}" if provider.isupper() else operation


def _properties(status: str, operation: str, resource_id: str, hierarchy: str, caller: str) -> str:
    code = {"Failure": "Conflict", "Accept": "Accepted", "Start": ""}.get(status, "OK")
    text = f',"statusCode":"{code}"' if code else ""
    return (
        f'{{"caller":"{caller}","entity":"{resource_id}","eventCategory":"{_category(operation)}",'
        f'"hierarchy":"{hierarchy}","message":"{operation}"{text}}}'
    )


def _request(correlation: str, ip: str) -> str:
    return f'{{"clientIpAddress":"{ip}","clientRequestId":"{correlation}","method":"POST"}}'
