"""The columns of storage requests that follow from the others."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from fleetgym_estate.estate import Application, Employee
from fleetgym_estate.microsoft import FIRST_PARTY
from fleetgym_estate.telemetry import clock
from fleetgym_estate.telemetry.columns import constant, put
from fleetgym_estate.telemetry.draw import Array, each, guids, hexes, pick, stable
from fleetgym_estate.telemetry.identity import application, person

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Estate, StorageAccount

__all__ = ["SDK", "fill_storage"]

SDK = "azsdk-java-azure-storage-blob/12.26.1 (17.0.11; Linux; 5.15.0)"
"""The client of those who come with a key or a signature."""

_TEXTS = {
    200: "Success",
    201: "Success",
    202: "Success",
    206: "Success",
    403: "AuthorizationPermissionMismatch",
    404: "BlobNotFound",
    409: "ContainerAlreadyExists",
}


def fill_storage(estate: Estate, rng: Generator, columns: dict[str, Array]) -> None:
    """Add all columns that are missing, after those that are there."""
    n = len(columns["TimeGenerated"])
    _requester(estate, rng, columns)
    names = columns["AccountName"]
    accounts = {account.name: account for account in estate.storage_accounts}
    known = each(partial(_known, accounts), names)
    put(columns, "Location", each(attrgetter("location"), known))
    put(columns, "_ResourceId", each(_lower_id, known, names))
    put(columns, "_SubscriptionId", each(attrgetter("subscription_id"), known))
    operations, codes = columns["OperationName"], columns["StatusCode"]
    put(columns, "StatusText", each(_text, codes, columns["AuthenticationType"]))
    put(columns, "Category", each(_category, operations))
    put(columns, "ObjectKey", each(_object_key, names, columns["Uri"]))
    _sizes(rng, columns)
    put(columns, "CorrelationId", guids(rng, n))
    put(columns, "ClientRequestId", guids(rng, n))
    put(columns, "Etag", each('"0x8DD{}"'.format, each(str.upper, hexes(rng, n, 12))))
    times = columns["TimeGenerated"].astype(np.int64)
    ages = (rng.exponential(20.0, n) * 24 * clock.HOUR).astype(np.int64)
    put(columns, "LastModifiedTime", (times - ages) // clock.SECOND * clock.SECOND)
    for name, value in {
        "Protocol": "HTTPS",
        "SchemaVersion": "1.0",
        "OperationVersion": "2023-11-03",
        "ServiceType": "blob",
        "OperationCount": 0,
        "AccessTier": "Hot",
        "TlsVersion": "TLS 1.3",
        "MetricResponseType": "Success",
        "SourceSystem": "Azure",
        "TenantId": estate.workspace_id,
        "Type": "StorageBlobLogs",
    }.items():
        put(columns, name, constant(value, n))


def _known(accounts: dict[str, StorageAccount], name: str) -> StorageAccount:
    """Return the account of a name; an unknown one is like some other."""
    return accounts.get(name) or list(accounts.values())[stable(name) % len(accounts)]


def _lower_id(account: StorageAccount, name: str) -> str:
    return (account.resource_id.rpartition("/")[0] + "/" + name).lower()


def _requester(estate: Estate, rng: Generator, columns: dict[str, Array]) -> None:
    """Fill who asked for what, from where and by what right."""
    n = len(columns["TimeGenerated"])
    nothing = constant(None, n)
    put(columns, "AccountName", each(attrgetter("name"), pick(rng, estate.storage_accounts, n)))
    put(columns, "OperationName", constant("GetBlob", n))
    put(columns, "StatusCode", constant("200", n))
    put(columns, "Uri", each(_plain_uri, columns["AccountName"], columns["OperationName"]))
    owners = each(
        partial(_owner, estate),
        columns.get("RequesterUpn", nothing),
        columns.get("RequesterAppId", nothing),
        columns.get("RequesterObjectId", nothing),
    )
    put(columns, "AuthenticationType", each(_right, owners, columns["Uri"]))
    oauth = columns["AuthenticationType"] == "OAuth"
    for name, values in {
        "RequesterUpn": each(_owner_upn, owners),
        "RequesterAppId": each(_owner_app, owners),
        "RequesterObjectId": each(_owner_id, owners),
        "RequesterTenantId": constant(estate.tenant_id, n),
        "RequesterAudience": constant("https://storage.azure.com/", n),
        "RequesterTokenIssuer": constant(f"https://sts.windows.net/{estate.tenant_id}/", n),
    }.items():
        put(columns, name, each(_if_or_empty, oauth, values))
    rights = each(_granted, columns["OperationName"], columns["StatusCode"])
    put(columns, "AuthorizationDetails", each(_if, oauth, rights))
    hashes = each(_key_hash, columns["AuthenticationType"], columns["AccountName"])
    put(columns, "AuthenticationHash", hashes)
    numbers = rng.integers(1024, 61_000, n).tolist()
    put(columns, "CallerIpAddress", each(_usual_caller, owners, columns["AccountName"], numbers))
    put(columns, "UserAgentHeader", each(_usual_agent, owners))
    put(columns, "ReferrerHeader", each(_referrer, columns["UserAgentHeader"]))


def _owner(
    estate: Estate, upn: str | None, app_id: str | None, object_id: str | None
) -> Application | Employee | None:
    """Return whose token a request bears; nobody's if it bears a key or a signature."""
    if upn:
        return person(estate, upn)
    if app_id:
        return application(estate, app_id)
    return application(estate, object_id) if object_id else None


def _right(owner: Application | Employee | None, uri: str) -> str:
    if owner:
        return "OAuth"
    return "SAS" if "sig=" in uri else "AccountKey"


def _owner_upn(owner: Application | Employee | None) -> str:
    return owner.upn if isinstance(owner, Employee) else ""


def _owner_app(owner: Application | Employee | None) -> str:
    return owner.app_id if isinstance(owner, Application) else FIRST_PARTY["Azure Portal"]


def _owner_id(owner: Application | Employee | None) -> str:
    return owner.object_id if owner else ""


def _key_hash(kind: str, account: str) -> str:
    if kind == "OAuth":
        return ""
    name = "key1" if kind == "AccountKey" else "key1,SasSignature"
    return f"{name}({stable(account, kind):016X}{stable(kind, account):016X})"


def _granted(operation: str, code: str) -> str:
    """Return why a token was let in, or was not."""
    verb = "write" if operation.startswith(("Put", "Delete", "Copy", "Snapshot")) else "read"
    action = f"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/{verb}"
    result = "Denied" if code == "403" else "Granted"
    return f'[{{"action":"{action}","reason":"Policy","result":"{result}"}}]'


def _usual_caller(owner: Application | Employee | None, account: str, number: int) -> str:
    if owner:
        return f"{owner.ips[number % len(owner.ips)]}:{number}"
    bits = stable(account, number % 5)
    return f"10.{bits % 200}.{(bits >> 8) % 250}.{4 + (bits >> 16) % 200}:{number}"


def _usual_agent(owner: Application | Employee | None) -> str:
    return owner.user_agent if owner else SDK


def _referrer(agent: str) -> str:
    return "https://portal.azure.com/" if agent.startswith("Mozilla") else ""


def _plain_uri(account: str, operation: str) -> str:
    query = "?comp=list" if operation == "ListContainers" else ""
    return f"https://{account}.blob.core.windows.net:443/{query}"


def _text(code: str, kind: str) -> str:
    if code == "403" and kind != "OAuth":
        return "AuthenticationFailed"
    return _TEXTS.get(int(code), "Success")


def _category(operation: str) -> str:
    if operation.startswith("Delete"):
        return "StorageDelete"
    return (
        "StorageWrite"
        if operation.startswith(("Put", "Copy", "Snapshot", "Set", "Create"))
        else ("StorageRead")
    )


def _object_key(account: str, uri: str) -> str:
    path = uri.partition("://")[2].partition("/")[2].partition("?")[0]
    return f"/{account}/{path}"


def _sizes(rng: Generator, columns: dict[str, Array]) -> None:
    """Fill sizes and durations: a blob has some bytes, a list a page, everything else none."""
    operations, codes = columns["OperationName"], columns["StatusCode"]
    n = len(operations)
    blob = rng.lognormal(11.2, 1.6, n).astype(np.int64)
    page = rng.integers(600, 90_000, n)
    failed = each(_failed, codes).astype(bool)
    read, written = operations == "GetBlob", operations == "PutBlob"
    listed = (operations == "ListBlobs") | (operations == "ListContainers")
    answer = np.where(failed, 246, np.where(read, blob, np.where(listed, page, 0)))
    put(columns, "ResponseBodySize", answer.astype(object))
    put(columns, "RequestBodySize", np.where(written & ~failed, blob, 0).astype(object))
    put(columns, "ContentLengthHeader", columns["RequestBodySize"])
    put(columns, "RequestHeaderSize", rng.integers(380, 900, n).astype(object))
    put(columns, "ResponseHeaderSize", rng.integers(220, 620, n).astype(object))
    latency = np.round(rng.gamma(2.0, 6.0, n) + 1.2, 2)
    transfer = np.round((answer + np.where(written, blob, 0)) / rng.uniform(8e4, 3e5, n), 2)
    put(columns, "ServerLatencyMs", latency.astype(object))
    put(columns, "DurationMs", np.round(latency + transfer, 2).astype(object))


def _failed(code: str) -> bool:
    return int(code) >= 400


def _if(holds: bool, value: object) -> object:
    return value if holds else None


def _if_or_empty(holds: bool, value: object) -> object:
    return value if holds else ""
