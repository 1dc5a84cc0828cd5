"""People consent to an application, whose servers then read their mail and files.

The intrusion's applications came into the directory with a consent, were granted access for good,
and read contents from where the person is not. Each kind of look-alike lacks exactly one of the
three.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from fleetgym_env_cti_realm.stories.plot import Plot
from fleetgym_estate.drawing import azure_ip, one, some
from fleetgym_estate.event import Event
from fleetgym_estate.telemetry.draw import compact, guid, name_guid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from fleetgym_estate.estate import Employee, Estate

__all__ = ["draw"]

_FIRST = ("Docu", "Meet", "Sign", "Note", "Share", "Task", "Inbox", "Plan", "Scan", "Brief")
_SECOND = ("Flow", "Mate", "Sync", "Desk", "Pilot", "Board", "Lens", "Vault", "Track", "Hub")
_SUFFIXES = ("", "", " for Teams", " Pro", " Assistant", " for Outlook")
_MAIL = ("Mail.Read", "Mail.ReadWrite")
_FILES = ("Files.Read.All", "Files.Read", "Files.ReadWrite.All")
_COMMON = ("openid", "profile", "User.Read", "Contacts.Read", "Calendars.Read")
_MESSAGES = (
    "me/messages?$top=50",
    'me/messages?$search="invoice"&$top=25',
    "me/mailFolders/inbox/messages?$top=100",
    "me/mailFolders/sentitems/messages?$top=50",
    "me/messages/{id}",
    "me/messages/{id}/attachments",
)
_DRIVE = (
    "me/drive/root/children?$top=200",
    "me/drive/root/search(q='contract')",
    "me/drive/items/{id}/content",
    "me/drive/items/{id}/children",
    "sites/root/drive/items/{id}/content",
)
_PROFILE = (
    "me",
    "me/photo/$value",
    "me/memberOf?$top=100",
    "organization",
    "me/calendarview?startdatetime={id}",
    "me/contacts?$top=50",
)
_AGENTS = (
    "python-requests/2.32.3",
    "axios/1.7.7",
    "Go-http-client/2.0",
    "GraphServiceClient/5.56.0 (.NET 8.0)",
    "okhttp/4.12.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/137.0.0.0 Safari/537.36",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _App:
    """An application of somebody else's."""

    name: str
    app_id: str
    object_id: str
    """Of its service principal here."""

    scopes: str
    paths: Sequence[str]
    """Contents that it may read."""

    agent: str
    method: int
    """How it authenticates: 0 for a public client, 1 with a secret."""


def draw(estate: Estate, rng: Generator) -> Plot:
    """Draw the intrusion and its look-alikes."""
    scene = _Scene(estate, rng)
    people = some(rng, estate.employees, len(estate.employees))
    victims = people[: 1 + int(rng.integers(0, 3))]
    apps = scene.intrude(victims)
    for index in range(3):
        scene.known(people[3 + index], people[6 + index])
        scene.momentary(people[9 + index])
        scene.at_home(people[12 + index])
    identities = "|".join(f"^{app.app_id}$" for app in apps)
    return Plot(
        events=scene.events,
        patterns={
            "AppId": identities,
            "UserId": "|".join(f"^{victim.object_id}$" for victim in victims),
            "RequestUri": "/(messages|drive)[/?]?",
        },
    )


class _Scene:
    """Events as they come to be."""

    def __init__(self, estate: Estate, rng: Generator) -> None:
        self.events: list[Event] = []
        self._estate = estate
        self._rng = rng
        names = [f"{a}{b}" for a in _FIRST for b in _SECOND]
        self._names = some(rng, names, 12)
        self._servers = [one(rng, (azure_ip(rng), ip)) for ip in estate.outside_ips(rng, 4)]
        """Where applications run; the intruder's share a provider with others."""

    def intrude(self, victims: Sequence[Employee]) -> list[_App]:
        """Let people consent to one or two applications that then read; return these."""
        rng = self._rng
        apps = [self._app() for _ in range(1 + int(rng.integers(0, min(2, len(victims)))))]
        servers = self._servers[: 1 + int(rng.integers(0, 2))]
        total = int(rng.integers(max(4, 2 * len(victims)), 10))
        at = self._when(6, 20)
        for index, victim in enumerate(victims):
            app = apps[index % len(apps)]
            self._usual(victim)
            self._consent(victim, at, app, brings=index < len(apps))
            count = total // len(victims) + (index < total % len(victims))
            later = at + timedelta(minutes=float(rng.uniform(2, 900)))
            self._read(victim, later, app, one(rng, servers), count, asked_for=True)
            at += timedelta(minutes=float(rng.uniform(10, 200)))
        return apps

    def known(self, person: Employee, colleague: Employee) -> None:
        """An application that was there before, for good, on its servers."""
        rng, app, server = self._rng, self._app(), one(self._rng, self._servers)
        for who in (person, colleague):
            self._usual(who)
        at = self._when(8, 30)
        if rng.random() < 0.5:
            early = at - timedelta(hours=float(rng.uniform(1, 6)))
            administrator = one(rng, self._estate.administrators)
            self._add_principal(administrator, early, app, guid(rng))
        else:
            self._read(colleague, self._when(0.5, 4), app, server, 2)
        self._consent(person, at, app, brings=False)
        later = at + timedelta(minutes=float(rng.uniform(2, 900)))
        self._read(person, later, app, server, int(rng.integers(3, 7)))

    def momentary(self, person: Employee) -> None:
        """A new application on a server, for a moment."""
        app, at = self._app(for_good=False), self._when(8, 30)
        self._usual(person)
        self._consent(person, at, app, brings=True)
        at += timedelta(minutes=float(self._rng.uniform(1, 30)))
        self._read(person, at, app, one(self._rng, self._servers), int(self._rng.integers(4, 8)))

    def at_home(self, person: Employee) -> None:
        """A new application, for good, where the person is."""
        rng, app, at = self._rng, self._app(), self._when(8, 30)
        address = one(rng, person.ips[:2])
        self._usual(person)
        self._sign_in(person, self._when(0.2, 7), address)
        self._consent(person, at, app, brings=True)
        at += timedelta(minutes=float(rng.uniform(2, 900)))
        self._read(person, at, app, address, int(rng.integers(4, 8)))

    def _app(self, *, for_good: bool = True) -> _App:
        rng = self._rng
        kind = one(rng, ("mail", "files", "both"))
        scopes: list[str] = [*some(rng, _COMMON, int(rng.integers(2, 5)))]
        paths: tuple[str, ...] = ()
        if kind != "files":
            scopes.append(one(rng, _MAIL))
            paths += _MESSAGES
        if kind != "mail":
            scopes.append(one(rng, _FILES))
            paths += _DRIVE
        if for_good:
            scopes.append("offline_access")
        return _App(
            name=self._names.pop() + one(rng, _SUFFIXES),
            app_id=guid(rng),
            object_id=guid(rng),
            scopes=" ".join(some(rng, scopes, len(scopes))),
            paths=paths,
            agent=one(rng, _AGENTS),
            method=int(rng.integers(0, 2)),
        )

    def _when(self, first_h: float, last_h: float) -> datetime:
        return self._estate.start + timedelta(hours=float(self._rng.uniform(first_h, last_h)))

    def _usual(self, person: Employee) -> None:
        """Have the person signed in at the usual address at the begin of the window."""
        self._sign_in(person, self._when(0.1, 4), person.ips[0])

    def _sign_in(self, person: Employee, at: datetime, address: str) -> None:
        values = {
            "TimeGenerated": at,
            "UserPrincipalName": person.upn,
            "IPAddress": address,
            "ResultType": "0",
            "UserAgent": person.user_agent,
        }
        self.events.append(Event(table="SignInLogs", values=values))

    def _consent(self, person: Employee, at: datetime, app: _App, *, brings: bool) -> None:
        """Note a consent, which ``brings`` the service principal or does not."""
        rng, correlation = self._rng, guid(self._rng)
        if brings:
            self._add_principal(person, at - timedelta(seconds=1), app, correlation)
        resource = name_guid(self._estate.tenant_id, "principal", "Microsoft Graph")
        granted = (
            f"[] => [[Id: {guid(rng)[:22]}, ClientId: {app.object_id}, PrincipalId: "
            f"{person.object_id}, ResourceId: {resource}, ConsentType: Principal, "
            f"Scope: {app.scopes}, CreatedDateTime: , LastModifiedDateTime ]]; "
        )
        properties = {
            "ConsentContext.IsAdminConsent": "False",
            "ConsentContext.OnBehalfOfAll": "False",
            "ConsentAction.Permissions": granted,
            "TargetId.ServicePrincipalNames": app.app_id,
        }
        grant = {"DelegatedPermissionGrant.Scope": app.scopes}
        before = at - timedelta(milliseconds=400)
        operation = "Add delegated permission grant"
        self._change(person, before, operation, app, correlation, properties=grant)
        operation = "Consent to application"
        self._change(person, at, operation, app, correlation, properties=properties)

    def _add_principal(self, person: Employee, at: datetime, app: _App, correlation: str) -> None:
        properties = {"AppPrincipalId": app.app_id, "DisplayName": app.name}
        operation = "Add service principal"
        self._change(person, at, operation, app, correlation, properties=properties)

    def _change(
        self,
        person: Employee,
        at: datetime,
        operation: str,
        app: _App,
        correlation: str,
        *,
        properties: dict[str, str],
    ) -> None:
        """Note a change of the directory by a person at the usual address."""
        modified = [
            {"displayName": name, "newValue": compact(value), "oldValue": ""}
            for name, value in properties.items()
        ]
        target: dict[str, Any] = {
            "displayName": app.name,
            "id": app.object_id,
            "modifiedProperties": modified,
            "type": "ServicePrincipal",
        }
        user = {"ipAddress": person.ips[0], "userPrincipalName": person.upn}
        values: dict[str, Any] = {
            "TimeGenerated": at,
            "OperationName": operation,
            "InitiatedBy": {"user": user},
            "TargetResources": [target],
            "CorrelationId": correlation,
            "Result": "success",
        }
        self.events.append(Event(table="AuditLogs", values=values))

    def _read(
        self,
        person: Employee,
        at: datetime,
        app: _App,
        address: str,
        count: int,
        *,
        asked_for: bool = False,
    ) -> None:
        """Look at the profile and read contents ``count`` times."""
        rng = self._rng
        for path in some(rng, _PROFILE, int(rng.integers(1, 4))):
            at += timedelta(seconds=float(rng.uniform(1, 20)))
            self._request(person, at, app, address, path)
        for _ in range(count):
            at += timedelta(seconds=float(rng.uniform(2, 400)))
            self._request(person, at, app, address, one(rng, app.paths), asked_for=asked_for)

    def _request(
        self,
        person: Employee,
        at: datetime,
        app: _App,
        address: str,
        path: str,
        *,
        asked_for: bool = False,
    ) -> None:
        rng = self._rng
        # What is granted for good is no scope of the token.
        scopes = app.scopes.replace("offline_access", "").split()
        values: dict[str, Any] = {
            "TimeGenerated": at,
            "AppId": app.app_id,
            "UserId": person.object_id,
            "IPAddress": address,
            "RequestMethod": "GET",
            "RequestUri": f"https://graph.microsoft.com/v1.0/{path.format(id=guid(rng))}",
            "ResponseStatusCode": 403 if rng.random() < 0.1 else 200,
            "UserAgent": app.agent,
            "Scopes": " ".join(scopes),
            "ClientAuthMethod": app.method,
        }
        self.events.append(
            Event(table="MicrosoftGraphActivityLogs", values=values, asked_for=asked_for)
        )
