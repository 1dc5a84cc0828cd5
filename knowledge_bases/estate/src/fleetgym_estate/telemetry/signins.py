"""Sign-ins of people: office hours, the usual addresses and devices, the usual mistakes."""

from __future__ import annotations

from functools import lru_cache, partial
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING

import numpy as np

from fleetgym_estate.telemetry import clock
from fleetgym_estate.telemetry.columns import constant, put
from fleetgym_estate.telemetry.draw import (
    Array,
    compact,
    each,
    guids,
    indices,
    objects,
    pick,
)
from fleetgym_estate.telemetry.identity import (
    app_id_of,
    app_name_of,
    location_details,
    person,
    place_of,
    tokens,
)

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Employee, Estate, Place

__all__ = ["fill_sign_ins", "sign_ins"]

# Weight, application, resource, client.
_APPS = (
    (30, "Office 365 Exchange Online", "Office 365 Exchange Online", "Browser"),
    (22, "Microsoft Teams", "Microsoft Teams Services", "Mobile Apps and Desktop clients"),
    (16, "OfficeHome", "OfficeHome", "Browser"),
    (16, "Office 365 SharePoint Online", "Office 365 SharePoint Online", "Browser"),
    (12, "Microsoft Office", "Office 365 Exchange Online", "Mobile Apps and Desktop clients"),
    (12, "One Outlook Web", "Office 365 Exchange Online", "Browser"),
    (9, "Outlook Mobile", "Office 365 Exchange Online", "Mobile Apps and Desktop clients"),
    (1, "Office 365 Exchange Online", "Office 365 Exchange Online", "Exchange ActiveSync"),
)
_ADMIN_APPS = (
    (10, "Azure Portal", "Windows Azure Service Management API", "Browser"),
    (
        *(5, "Microsoft Azure CLI", "Windows Azure Service Management API"),
        "Mobile Apps and Desktop clients",
    ),
    (
        *(2, "Microsoft Azure PowerShell", "Windows Azure Service Management API"),
        "Mobile Apps and Desktop clients",
    ),
    (
        *(2, "Microsoft Graph Command Line Tools", "Microsoft Graph"),
        "Mobile Apps and Desktop clients",
    ),
)
_RESOURCES = {app: (resource, client) for _, app, resource, client in (*_APPS[:7], *_ADMIN_APPS)}

# Weight, code, what the log says about it.
_RESULTS = (
    (930, "0", ""),
    (26, "50126", "Error validating credentials due to invalid username or password."),
    (14, "50076", "User did not pass the MFA challenge (required by a policy)."),
    (12, "50140", "Keep me signed in interrupt when the user was signing in."),
    (8, "50074", "Strong authentication is required."),
    (4, "53003", "Access has been blocked by conditional access policies."),
    (3, "50053", "Account is locked because of too many attempts."),
    (2, "500121", "Authentication failed during strong authentication request."),
    (1, "50055", "The password is expired."),
)
_REASONS = {code: reason for _, code, reason in _RESULTS}
_PHONES = (
    "Outlook-iOS/723.4024.2 (iPhone; iOS 18.5)",
    "Outlook-Android/4.2421.2 (Android 15; Pixel 8)",
)


def sign_ins(estate: Estate, rng: Generator, rows: int) -> dict[str, Array]:
    """Return ``rows`` rows, unsorted."""
    among = [*estate.employees, *estate.administrators]
    people = pick(rng, among, rows)
    offsets = each(_offset, people).astype(int)
    columns = {
        "TimeGenerated": clock.people(rng, estate, rows, offsets),
        "UserPrincipalName": each(attrgetter("upn"), people),
    }
    fill_sign_ins(estate, rng, columns)
    return columns


def fill_sign_ins(estate: Estate, rng: Generator, columns: dict[str, Array]) -> None:
    """Add all columns that are missing, after those that are there."""
    n = len(columns["TimeGenerated"])
    put(columns, "UserPrincipalName", each(attrgetter("upn"), pick(rng, estate.employees, n)))
    people = each(partial(person, estate), columns["UserPrincipalName"])
    _apps(estate, rng, columns, people)
    put(columns, "ResultType", pick(rng, [r[1] for r in _RESULTS], n, [r[0] for r in _RESULTS]))
    _origin(estate, rng, columns, people)
    _outcome(rng, columns)
    put(columns, "UserId", each(attrgetter("object_id"), people))
    put(columns, "UserDisplayName", each(attrgetter("display_name"), people))
    put(columns, "Identity", columns["UserDisplayName"])
    put(columns, "UserType", each(partial(_user_type, estate), columns["UserPrincipalName"]))
    times = columns["TimeGenerated"].astype(np.int64)
    put(columns, "CreatedDateTime", times - rng.integers(1000, 900_000, n))
    for name in ("CorrelationId", "Id"):
        put(columns, name, guids(rng, n))
    put(columns, "OriginalRequestId", columns["Id"])
    put(columns, "UniqueTokenIdentifier", tokens(rng, n))
    for name, value in {
        "ResourceId": f"/tenants/{estate.tenant_id}/providers/Microsoft.aadiam",
        "OperationName": "Sign-in activity",
        "OperationVersion": "1.0",
        "Category": "SignInLogs",
        "ResultSignature": "None",
        "DurationMs": 0,
        "Level": "4",
        "ResourceTenantId": estate.tenant_id,
        "RiskDetail": "none",
        "RiskEventTypes_V2": "[]",
        "IsRisky": False,
        "AADTenantId": estate.tenant_id,
        "SourceSystem": "Azure AD",
        "TenantId": estate.workspace_id,
        "Type": "SignInLogs",
    }.items():
        put(columns, name, constant(value, n))


def _offset(employee: Employee) -> int:
    return employee.place.utc_offset_h


def _user_type(estate: Estate, upn: str) -> str:
    return "Member" if upn.lower().endswith(f"@{estate.domain}") else "Guest"


def _apps(estate: Estate, rng: Generator, columns: dict[str, Array], people: Array) -> None:
    """Fill application, resource and client; only administrators use the tools of Azure."""
    n = len(people)
    office = objects(_APPS)[indices(rng, n, [app[0] for app in _APPS])]
    azure = objects(_ADMIN_APPS)[indices(rng, n, [app[0] for app in _ADMIN_APPS])]
    administers = each(attrgetter("administrator"), people).astype(bool) & (rng.random(n) < 0.45)
    drawn = np.where(administers, azure, office)
    if "AppId" in columns:
        put(columns, "AppDisplayName", each(partial(app_name_of, estate), columns["AppId"]))
    put(columns, "AppDisplayName", each(itemgetter(1), drawn))
    put(columns, "AppId", each(partial(app_id_of, estate), columns["AppDisplayName"]))
    put(columns, "ResourceDisplayName", each(_resource, columns["AppDisplayName"]))
    put(
        columns,
        "ResourceIdentity",
        each(partial(app_id_of, estate), columns["ResourceDisplayName"]),
    )
    clients = np.where(
        each(itemgetter(3), drawn) == "Exchange ActiveSync",
        "Exchange ActiveSync",
        each(_client, columns["AppDisplayName"]),
    )
    put(columns, "ClientAppUsed", clients)


def _resource(app: str) -> str:
    return _RESOURCES.get(app, (app, ""))[0]


def _client(app: str) -> str:
    return _RESOURCES.get(app, ("", "Browser"))[1]


def _origin(estate: Estate, rng: Generator, columns: dict[str, Array], people: Array) -> None:
    """Fill address, place and device."""
    n = len(people)
    choices = indices(rng, n, (70, 22, 8)).tolist()
    put(columns, "IPAddress", each(_usual_ip, people, choices))
    countries = columns.get("Location", constant(None, n))
    places = each(partial(place_of, estate), columns["IPAddress"], countries)
    put(columns, "Location", each(attrgetter("country"), places))
    put(columns, "LocationDetails", each(_location, places))
    put(columns, "AutonomousSystemNumber", each(_network, columns["IPAddress"]))
    mobile = columns["AppDisplayName"] == "Outlook Mobile"
    agents = np.where(mobile, pick(rng, _PHONES, n), each(attrgetter("user_agent"), people))
    put(columns, "UserAgent", agents)
    put(columns, "DeviceDetail", each(_device, people, columns["UserAgent"]))
    put(columns, "IsInteractive", rng.random(n) < 0.8)


def _usual_ip(employee: Employee, choice: int) -> str:
    return employee.ips[min(choice, len(employee.ips) - 1)]


@lru_cache(maxsize=1024)
def _location(place: Place) -> str:
    return location_details(place)


def _network(ip: str) -> str:
    first, second, *_ = ip.split(".") if "." in ip else (8, 75)
    return str(3000 + int(first) * 131 + int(second) // 8)


@lru_cache(maxsize=1024)
def _device(employee: Employee, agent: str) -> str:
    """Return the device: the person's own, or one that is not known to the directory."""
    if agent == employee.user_agent and employee.device_id:
        device = {
            "browser": employee.browser,
            "deviceId": employee.device_id,
            "displayName": employee.device_name,
            "isCompliant": True,
            "isManaged": True,
            "operatingSystem": employee.operating_system,
            "trustType": "Azure AD joined",
        }
    else:
        device = {"browser": "", "deviceId": "", "operatingSystem": _system(agent)}
    return compact(device)


def _system(agent: str) -> str:
    for word, name in _SYSTEMS.items():
        if word in agent:
            return name
    return ""


_SYSTEMS = {
    "iPhone": "Ios",
    "Android": "Android",
    "Windows": "Windows 10",
    "Macintosh": "MacOs",
    "Linux": "Linux",
}


def _outcome(rng: Generator, columns: dict[str, Array]) -> None:
    """Fill what follows from the result: reasons, conditional access, second factor, risk."""
    codes = columns["ResultType"]
    n = len(codes)
    strong = np.where(
        columns["AppDisplayName"] == "Azure Portal", True, rng.random(n) < 0.42
    ) | np.isin(codes, ("50076", "50074", "500121"))
    methods = pick(rng, ("Mobile app notification", "OATH verification code", "FIDO2 key"), n)
    put(columns, "ResultDescription", each(_reason, codes))
    put(columns, "Status", each(_status, codes, strong.tolist()))
    put(columns, "ConditionalAccessStatus", each(_access, codes, strong.tolist()))
    put(columns, "ConditionalAccessPolicies", each(_policies, columns["ConditionalAccessStatus"]))
    requirement = np.where(strong, "multiFactorAuthentication", "singleFactorAuthentication")
    put(columns, "AuthenticationRequirement", requirement.astype(object))
    put(columns, "MfaDetail", each(_factor, codes, strong.tolist(), methods))
    put(columns, "AuthenticationDetails", each(_steps, codes, strong.tolist(), methods))
    put(columns, "AuthenticationProtocol", constant("none", n))
    levels = pick(rng, ("none", "low", "medium"), n, (985, 12, 3))
    put(columns, "RiskLevelDuringSignIn", levels)
    put(columns, "RiskLevelAggregated", columns["RiskLevelDuringSignIn"])
    put(columns, "RiskState", each(_risk_state, columns["RiskLevelDuringSignIn"]))


def _reason(code: str) -> str:
    return _REASONS.get(code, "Other.")


@lru_cache(maxsize=256)
def _status(code: str, strong: bool) -> str:
    if code == "0":
        detail = "MFA requirement satisfied by claim in the token" if strong else ""
        return compact({"additionalDetails": detail, "errorCode": 0})
    return compact({"errorCode": int(code), "failureReason": _reason(code)})


def _access(code: str, strong: bool) -> str:
    if code == "53003":
        return "failure"
    return "success" if strong and code == "0" else "notApplied"


@lru_cache(maxsize=16)
def _policies(status: str) -> str:
    result = {"success": "success", "failure": "failure"}.get(status, "notApplied")
    return compact(
        [
            {
                "displayName": "Require MFA for cloud apps",
                "enforcedGrantControls": ["Mfa"],
                "result": result,
            },
            {
                "displayName": "Block legacy authentication",
                "enforcedGrantControls": ["Block"],
                "result": "failure" if status == "failure" else "notApplied",
            },
        ]
    )


def _factor(code: str, strong: bool, method: str) -> str | None:
    return f'{{"authMethod":"{method}"}}' if strong and code == "0" else None


@lru_cache(maxsize=256)
def _steps(code: str, strong: bool, method: str) -> str:
    right = code != "50126"
    steps = [
        {
            "authenticationMethod": "Password",
            "authenticationStepRequirement": "Primary authentication",
            "succeeded": right,
        }
    ]
    if strong:
        steps.append(
            {
                "authenticationMethod": method,
                "authenticationStepRequirement": "Multi-factor authentication",
                "succeeded": code == "0",
            }
        )
    return compact(steps)


def _risk_state(level: str) -> str:
    return "none" if level == "none" else "atRisk"
