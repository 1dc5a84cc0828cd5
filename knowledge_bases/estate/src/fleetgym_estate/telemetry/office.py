"""What people do in Exchange, SharePoint and Teams, inbox rules of their own among it."""

from __future__ import annotations

from functools import lru_cache, partial
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

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
    stable,
)
from fleetgym_estate.telemetry.identity import person

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Employee, Estate

__all__ = ["fill_office", "office_rows"]

_OUTLOOK = "Client=OWA;Action=ViaProxy"
_CLIENTS = (_OUTLOOK, "Client=MSExchangeRPC", "Client=REST;Client=RESTSystem;;", "Client=Hx;HxS")


def office_rows(estate: Estate, rng: Generator, rows: int) -> dict[str, Array]:
    """Return ``rows`` rows, unsorted."""
    data = read("office.yaml")
    operations: list[list[Any]] = data["operations"]
    drawn = objects(operations)[indices(rng, rows, [o[0] for o in operations])]
    people = pick(rng, estate.employees, rows)
    offsets = each(_offset, people).astype(int)
    numbers = rng.integers(0, 1 << 40, rows).tolist()
    columns = {
        "TimeGenerated": clock.people(rng, estate, rows, offsets),
        "UserId": each(attrgetter("upn"), people),
        "Operation": each(itemgetter(1), drawn),
        "Parameters": each(partial(_parameters, estate), people, drawn, numbers),
    }
    fill_office(estate, rng, columns)
    return columns


def _offset(employee: Employee) -> int:
    return employee.place.utc_offset_h


def _parameters(
    estate: Estate, employee: Employee, operation: list[Any], number: int
) -> str | None:
    """Return the parameters of a cmdlet, as names and values."""
    choices = read("office.yaml")["parameters"].get(operation[1])
    if not choices:
        return None
    colleague = estate.employees[(number >> 8) % len(estate.employees)]
    words = read("office.yaml")["words"].split()
    cast = {
        "word": words[(number >> 14) % len(words)],
        "other": words[(number >> 20) % len(words)],
        "upn": employee.upn,
        "colleague": colleague.upn,
        "domain": estate.domain,
        "name": employee.display_name,
    }
    chosen: dict[str, str] = choices[number % len(choices)]
    return compact(
        [{"Name": name, "Value": value.format_map(cast)} for name, value in chosen.items()]
    )


def fill_office(estate: Estate, rng: Generator, columns: dict[str, Array]) -> None:
    """Add all columns that are missing, after those that are there. Times are whole seconds."""
    n = len(columns["TimeGenerated"])
    columns["TimeGenerated"] = (
        columns["TimeGenerated"].astype(np.int64) // clock.SECOND * clock.SECOND
    )
    put(columns, "UserId", each(attrgetter("upn"), pick(rng, estate.employees, n)))
    put(columns, "Operation", constant("MailItemsAccessed", n))
    people = each(partial(person, estate), columns["UserId"])
    put(columns, "OfficeWorkload", each(_workload, columns["Operation"]))
    put(columns, "RecordType", each(_record_type, columns["Operation"]))
    choices = indices(rng, n, (68, 24, 8)).tolist()
    put(columns, "ClientIP", each(_usual_ip, people, choices))
    loads = columns["OfficeWorkload"]
    exchange = loads == "Exchange"
    put(columns, "Client_IPAddress", each(_if, exchange, columns["ClientIP"]))
    put(columns, "ResultStatus", each(_result, columns["Operation"]))
    put(columns, "UserKey", each(_user_key, people))
    put(
        columns,
        "MailboxGuid",
        each(_if, exchange, each(partial(_mailbox, estate), columns["UserId"])),
    )
    put(columns, "MailboxOwnerUPN", each(_if, exchange, columns["UserId"]))
    put(columns, "LogonUserSid", each(_if, exchange, each(_sid, people)))
    put(columns, "Logon_Type", each(_if, exchange, constant("Owner", n)))
    put(columns, "InternalLogonType", each(_if, exchange, constant(0, n)))
    put(columns, "ExternalAccess", constant(False, n))  # a value of a column
    put(columns, "ClientInfoString", each(_if, exchange, pick(rng, _CLIENTS, n, (5, 3, 2, 2))))
    put(columns, "OriginatingServer", each(_if, exchange, pick(rng, _SERVERS, n)))
    put(columns, "OrganizationName", constant(f"{estate.company}.onmicrosoft.com", n))
    put(columns, "AppId", each(_app_id, loads))
    put(columns, "ClientAppId", columns["AppId"])
    put(columns, "UserAgent", each(_agent, loads, people))
    _files(estate, rng, columns, people)
    _mail(rng, columns)
    put(columns, "SourceRecordId", guids(rng, n))
    put(columns, "OfficeId", columns["SourceRecordId"])
    for name, value in {
        "OrganizationId": estate.tenant_id,
        "OfficeTenantId": estate.tenant_id,
        "UserType": "Regular",
        "SourceSystem": "OfficeActivityManager",
        "TenantId": estate.workspace_id,
        "Type": "OfficeActivity",
    }.items():
        put(columns, name, constant(value, n))


_SERVERS = tuple(
    f"{site}{kind}PR04MB{number} (15.20.8{number % 900:03d}.{number % 40})"
    for site, kind, number in (
        ("AM9", "", 6821),
        ("DB9", "", 7743),
        ("VI1", "", 5104),
        ("PA4", "", 8277),
        ("AS8", "", 9012),
    )
)


def _kind(operation: str) -> list[Any]:
    """Return workload, record type and kind of object of an operation."""
    return read("office.yaml")["kinds"].get(operation, ["Exchange", "ExchangeAdmin", ""])


def _workload(operation: str) -> str:
    return _kind(operation)[0]


def _record_type(operation: str) -> str:
    return _kind(operation)[1]


def _result(operation: str) -> str | None:
    return {"ExchangeAdmin": "True", "ExchangeItem": "Succeeded"}.get(
        _record_type(operation), "Succeeded" if _workload(operation) == "Exchange" else None
    )


def _if(holds: bool, value: object) -> object:
    return value if holds else None


def _usual_ip(employee: Employee, choice: int) -> str:
    return employee.ips[min(choice, len(employee.ips) - 1)]


def _user_key(employee: Employee) -> str:
    return f"1003{stable(employee.upn):016X}"[:16]


def _mailbox(estate: Estate, upn: str) -> str:
    return name_guid(estate.tenant_id, "mailbox", upn)


def _sid(employee: Employee) -> str:
    bits = stable(employee.upn, "sid")
    return f"S-1-5-21-{bits % 4_000_000_000}-{bits >> 33}-{bits >> 34}-{bits % 90_000 + 1000}"


def _app_id(workload: str) -> str:
    name = {"Exchange": "Office 365 Exchange Online", "MicrosoftTeams": "Microsoft Teams"}
    return FIRST_PARTY[name.get(workload, "Office 365 SharePoint Online")]


def _agent(workload: str, employee: Employee) -> str | None:
    return None if workload == "MicrosoftTeams" else employee.user_agent


def _files(estate: Estate, rng: Generator, columns: dict[str, Array], people: Array) -> None:
    """Fill the columns of SharePoint, OneDrive and Teams."""
    n = len(people)
    kinds = each(_object_kind, columns["Operation"])
    names = each(partial(_file_name, estate), rng.integers(0, 1 << 30, n).tolist())
    isfile, team = kinds == "file", kinds == "team"
    if "OfficeObjectId" in columns:
        names = each(_last, columns["OfficeObjectId"], names)
    sites = each(partial(_site, estate), columns["OfficeWorkload"], people)
    put(columns, "SourceFileName", each(_if, isfile, names))
    put(columns, "SourceFileExtension", each(_extension, columns["SourceFileName"]))
    put(columns, "SourceRelativeUrl", each(_if, isfile, constant("Shared Documents", n)))
    put(columns, "ItemType", each(_if, isfile, constant("File", n)))
    put(columns, "Site_Url", each(_if, isfile, sites))
    put(columns, "EventSource", each(_if, isfile, constant("SharePoint", n)))
    teams = pick(rng, [f"{e.department} team" for e in estate.employees], n)
    put(columns, "TeamName", each(_if, team, teams))
    put(columns, "ChannelName", each(_if, team, constant("General", n)))
    colleagues = each(attrgetter("upn"), pick(rng, estate.employees, n))
    shared = np.isin(columns["Operation"], ("SharingSet", "AddedToSecureLink"))
    put(columns, "UserSharedWith", each(_if, shared, colleagues))


def _object_kind(operation: str) -> str:
    return _kind(operation)[2]


def _last(object_id: str | None, otherwise: str) -> str:
    return object_id.rpartition("/")[2] if object_id else otherwise


def _file_name(estate: Estate, number: int) -> str:
    words = read("office.yaml")["words"].split()
    endings = ("docx", "xlsx", "pptx", "pdf", "csv")
    first, second = words[number % len(words)], words[(number >> 9) % len(words)]
    return f"{first}-{second}-{estate.start.year - (number >> 18) % 3}.{endings[number % 5]}"


def _extension(name: str | None) -> str | None:
    return name.rpartition(".")[2] if name else None


def _site(estate: Estate, workload: str, employee: Employee) -> str:
    if workload == "OneDrive":
        who = employee.upn.replace("@", "_").replace(".", "_")
        return f"https://{estate.company}-my.sharepoint.com/personal/{who}/"
    team = employee.department.replace(" ", "")
    return f"https://{estate.company}.sharepoint.com/sites/{team}/"


def _mail(rng: Generator, columns: dict[str, Array]) -> None:
    """Fill what an operation was about: cmdlet object, folders and items, file."""
    n = len(columns["Operation"])
    ids = guids(rng, n)
    kinds = each(_object_kind, columns["Operation"])
    items = kinds == "item"
    put(columns, "Folders", each(_folders, items, ids))
    put(columns, "Item", each(_item, items, ids))
    deleted = np.isin(columns["Operation"], ("SoftDelete", "HardDelete", "MoveToDeletedItems"))
    put(columns, "AffectedItems", each(_items, deleted, ids))
    whats = each(
        _object_id,
        kinds,
        columns["UserId"],
        columns.get("Parameters", constant(None, n)),
        columns["Site_Url"],
        columns["SourceFileName"],
    )
    put(columns, "OfficeObjectId", whats)


def _folders(holds: bool, item: str) -> str | None:
    if not holds:
        return None
    return compact([{"FolderItems": [{"InternetMessageId": f"<{item}@mail>"}], "Path": "\\Inbox"}])


def _item(holds: bool, item: str) -> str | None:
    if not holds:
        return None
    return compact({"Id": item[:8], "ParentFolder": {"Path": "\\Inbox"}})


def _items(holds: bool, item: str) -> str | None:
    if not holds:
        return None
    return compact([{"InternetMessageId": f"<{item}@mail>", "ParentFolder": {"Path": "\\Inbox"}}])


def _object_id(kind: str, *row: Any) -> str | None:
    """Return what an operation was done to."""
    upn, parameters, site, name = row
    if kind == "file":
        return f"{site}Shared Documents/{name}"
    if kind == "cmdlet":
        return f"{upn}\\{_rule_number(upn, parameters)}"
    return None


@lru_cache(maxsize=4096)
def _rule_number(upn: str, parameters: str | None) -> int:
    return stable(upn, parameters) % (1 << 60) + (1 << 62)
