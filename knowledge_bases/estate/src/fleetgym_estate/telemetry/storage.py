"""Blob storage: applications that read and write, backups, analytics that read in bulk, people."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fleetgym_estate.microsoft import FIRST_PARTY
from fleetgym_estate.telemetry import clock
from fleetgym_estate.telemetry.draw import (
    Array,
    each,
    indices,
    objects,
    pick,
    stable,
)
from fleetgym_estate.telemetry.identity import weighted
from fleetgym_estate.telemetry.storage_fill import SDK, fill_storage

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.random import Generator

    from fleetgym_estate.estate import Application, Employee, Estate, StorageAccount

__all__ = ["storage_rows"]


class _Operation(NamedTuple):
    weight: float
    name: str
    code: int
    scope: str
    """blob, container or account."""


_BY_PURPOSE = {
    "service": (
        _Operation(60, "GetBlob", 200, "blob"),
        _Operation(22, "PutBlob", 201, "blob"),
        _Operation(12, "GetBlobProperties", 200, "blob"),
        _Operation(5, "GetBlobProperties", 404, "blob"),
        _Operation(5, "ListBlobs", 200, "container"),
        _Operation(2, "DeleteBlob", 202, "blob"),
    ),
    "analytics": (
        _Operation(80, "GetBlob", 206, "blob"),
        _Operation(25, "GetBlob", 200, "blob"),
        _Operation(20, "ListBlobs", 200, "container"),
        _Operation(3, "GetContainerProperties", 200, "container"),
    ),
    "backup": (
        _Operation(30, "ListBlobs", 200, "container"),
        _Operation(40, "GetBlob", 200, "blob"),
        _Operation(8, "ListContainers", 200, "account"),
        _Operation(12, "CopyBlob", 202, "blob"),
        _Operation(10, "SnapshotBlob", 201, "blob"),
    ),
    "person": (
        _Operation(30, "ListBlobs", 200, "container"),
        _Operation(20, "GetBlob", 200, "blob"),
        _Operation(12, "ListContainers", 200, "account"),
        _Operation(4, "PutBlob", 201, "blob"),
        _Operation(3, "ListBlobs", 403, "container"),
        _Operation(2, "DeleteBlob", 202, "blob"),
    ),
    "key": (
        _Operation(60, "GetBlob", 200, "blob"),
        _Operation(10, "PutBlob", 201, "blob"),
        _Operation(4, "ListContainers", 200, "account"),
        _Operation(8, "ListBlobs", 200, "container"),
    ),
    "sas": (
        _Operation(70, "GetBlob", 200, "blob"),
        _Operation(8, "PutBlob", 201, "blob"),
        _Operation(6, "GetBlob", 403, "blob"),
        _Operation(4, "ListBlobs", 200, "container"),
    ),
}
_EXTENSIONS = ("parquet", "json", "csv", "pdf", "jpg", "zip", "log", "avro")
_AZCOPY = "AzCopy/10.25.1 azsdk-go-azblob/v1.3.2 (go1.22.5; linux)"


class _Visit(NamedTuple):
    """One request, as far as it is not derived."""

    account: StorageAccount
    purpose: str
    app: Application | None
    person: Employee | None
    operation: _Operation
    number: int


def storage_rows(estate: Estate, rng: Generator, rows: int) -> dict[str, Array]:
    """Return ``rows`` rows, unsorted."""
    accounts = pick(rng, estate.storage_accounts, rows)
    kinds = indices(rng, rows, (72, 7, 12, 9)).tolist()
    numbers = rng.integers(0, 1 << 40, rows).tolist()
    visits = objects(map(partial(_visit, estate), accounts, kinds, numbers))
    human = np.array([visit.purpose == "person" for visit in visits])
    load = np.array([visit.purpose in {"service", "sas"} for visit in visits])
    times = np.where(human, clock.people(rng, estate, rows), clock.flat(rng, estate, rows))
    bulk = np.array([visit.purpose in {"analytics", "backup"} for visit in visits])
    times = np.where(load, clock.load(rng, estate, rows), times)
    times = np.where(bulk, clock.nightly(rng, estate, rows), times)
    columns = {
        "TimeGenerated": times,
        "AccountName": each(_account_name, visits),
        "OperationName": each(_operation_name, visits),
        "StatusCode": each(_status_code, visits),
        "Uri": each(partial(_uri, estate.start), visits),
        "AuthenticationType": each(_authentication, visits),
        "RequesterAppId": each(_app_id, visits),
        "RequesterObjectId": each(_object_id, visits),
        "RequesterUpn": each(_upn, visits),
        "CallerIpAddress": each(_caller, visits),
        "UserAgentHeader": each(_agent, visits),
    }
    fill_storage(estate, rng, columns)
    return columns


def _visit(estate: Estate, account: StorageAccount, kind: int, number: int) -> _Visit:
    app = person = None
    if kind == 0:
        app = estate.application_by_id[account.reader_app_ids[number % 3]]
        purpose = app.purpose
    elif kind == 1:
        person = estate.administrators[number % len(estate.administrators)]
        purpose = "person"
    else:
        purpose = ("key", "sas")[kind - 2]
    options = _BY_PURPOSE[purpose]
    return _Visit(
        account, purpose, app, person, _Operation(*weighted(options, number >> 6)), number
    )


def _account_name(visit: _Visit) -> str:
    return visit.account.name


def _operation_name(visit: _Visit) -> str:
    return visit.operation.name


def _status_code(visit: _Visit) -> str:
    return str(visit.operation.code)


def _uri(start: datetime, visit: _Visit) -> str:
    number, account = visit.number, visit.account
    root = f"https://{account.name}.blob.core.windows.net:443"
    if visit.operation.scope == "account":
        return f"{root}/?comp=list"
    container = account.containers[(number >> 4) % len(account.containers)]
    if visit.operation.scope == "container":
        end = "restype=container&comp=list" if visit.operation.name == "ListBlobs" else ""
        return f"{root}/{container}?{end or 'restype=container'}"
    extension = _EXTENSIONS[stable(container) % len(_EXTENSIONS)]
    day = start - timedelta(days=(number >> 12) % 120)
    blob = f"{day:%Y/%m/%d}/{(number >> 9) % 400:05d}.{extension}"
    signed = "?sv=2023-11-03&sr=b&sp=r&sig=XXXXX" if visit.purpose == "sas" else ""
    return f"{root}/{container}/{blob}{signed}"


def _authentication(visit: _Visit) -> str:
    return {"key": "AccountKey", "sas": "SAS"}.get(visit.purpose, "OAuth")


def _app_id(visit: _Visit) -> str:
    if visit.app:
        return visit.app.app_id
    return FIRST_PARTY["Azure Portal"] if visit.person else ""


def _object_id(visit: _Visit) -> str:
    owner = visit.app or visit.person
    return owner.object_id if owner else ""


def _upn(visit: _Visit) -> str:
    return visit.person.upn if visit.person else ""


def _caller(visit: _Visit) -> str:
    if visit.app:
        ips = visit.app.ips
    elif visit.person:
        ips = visit.person.ips[:1]
    else:
        bits = stable(visit.account.name, visit.number % 5)
        ips = (f"10.{bits % 200}.{(bits >> 8) % 250}.{4 + (bits >> 16) % 200}",)
    address = ips[visit.number % len(ips)]
    return f"{address}:{1024 + (visit.number >> 20) % 60000}"


def _agent(visit: _Visit) -> str:
    if visit.app:
        return visit.app.user_agent
    if visit.person:
        return visit.person.user_agent if visit.number % 4 else _AZCOPY
    return SDK
