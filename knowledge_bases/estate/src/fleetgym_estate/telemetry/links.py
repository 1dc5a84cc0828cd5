"""Ids by which one table's rows point at another's.

Only a part of the rows that could be linked are: tokens live longer than the window, and not every
change is made through Graph. So a row without a partner is nothing special.
"""

from __future__ import annotations

import json
from collections import defaultdict
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from fleetgym_estate.telemetry import clock
from fleetgym_estate.telemetry.directory import audit_id

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.telemetry.draw import Array

__all__ = ["link"]

_Tables = dict[str, dict[str, "Array"]]

_TOKEN_SHARE = 0.6
_GRAPH_SHARE = 0.5
_ACTIVATION = "Add member to role completed (PIM activation)"


def link(rng: Generator, tables: _Tables) -> None:
    """Let calls name the sign-in of their token, and changes the request that made them."""
    _tokens(rng, tables)
    _requests(rng, tables)
    _activations(rng, tables)


def _tokens(rng: Generator, tables: _Tables) -> None:
    """Let calls of Graph by applications carry the token of that application's last sign-in."""
    sign_ins, calls = tables["AADServicePrincipalSignInLogs"], tables["MicrosoftGraphActivityLogs"]
    issued: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    names = ("AppId", "ResourceDisplayName", "TimeGenerated", "UniqueTokenIdentifier")
    rows = zip(*(sign_ins[name].tolist() for name in names), strict=True)
    for app, resource, at, token in sorted(rows, key=itemgetter(2)):
        if resource == "Microsoft Graph":
            issued[app].append((at, token))
    chosen = rng.random(len(calls["AppId"])) < _TOKEN_SHARE
    for row in np.flatnonzero(chosen).tolist():
        tokens = issued.get(calls["AppId"][row], [])
        place = np.searchsorted([at for at, _ in tokens], int(calls["TimeGenerated"][row])) - 1
        if place >= 0:
            at, token = tokens[int(place)]
            calls["SignInActivityId"][row] = token
            calls["TokenIssuedAt"][row] = at // clock.SECOND * clock.SECOND


def _requests(rng: Generator, tables: _Tables) -> None:
    """Let changes that applications make be the work of their requests to Graph."""
    calls, changes = tables["MicrosoftGraphActivityLogs"], tables["AuditLogs"]
    writes: defaultdict[str, list[int]] = defaultdict(list)
    for row in np.flatnonzero(np.isin(calls["RequestMethod"], ("POST", "PATCH"))).tolist():
        writes[calls["AppId"][row]].append(row)
    for row in np.flatnonzero(rng.random(len(changes["Id"])) < _GRAPH_SHARE).tolist():
        app = json.loads(changes["InitiatedBy"][row]).get("app", {})
        free = writes.get(app.get("appId"))
        if free:
            call = free.pop()
            at = int(calls["TimeGenerated"][call]) + int(rng.integers(40_000, 900_000))
            _move(changes, row, at, calls["RequestId"][call])


def _activations(rng: Generator, tables: _Tables) -> None:
    """Let activated roles be the assignments that administrators made in Azure."""
    activity, changes = tables["AzureActivity"], tables["AuditLogs"]
    assigned = activity["OperationNameValue"] == "MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/WRITE"
    begun = np.flatnonzero(assigned & (activity["ActivityStatusValue"] == "Start")).tolist()
    by_caller: defaultdict[str, list[int]] = defaultdict(list)
    for row in begun:
        by_caller[activity["Caller"][row]].append(row)
    for row in np.flatnonzero(changes["OperationName"] == _ACTIVATION).tolist():
        user = json.loads(changes["InitiatedBy"][row]).get("user", {})
        free = by_caller.get(user.get("userPrincipalName"))
        if free:
            made = free.pop()
            at = int(activity["TimeGenerated"][made]) - int(rng.integers(200_000, 3_000_000))
            _move(changes, row, at, activity["CorrelationId"][made])


def _move(changes: dict[str, Array], row: int, at: int, correlation: str) -> None:
    """Give a change of the directory another time and correlation."""
    changes["TimeGenerated"][row] = changes["ActivityDateTime"][row] = at
    changes["CorrelationId"][row] = correlation
    number = changes["Id"][row].rpartition("_")[2]
    changes["Id"][row] = audit_id(changes["LoggedByService"][row], correlation, int(number))
