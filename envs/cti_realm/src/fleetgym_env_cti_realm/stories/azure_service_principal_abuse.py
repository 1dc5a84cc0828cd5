"""An intruder adds a credential to an application and enumerates the directory as it.

The intrusion's requests come from an application that signs in with a key which a person added,
from an address that is new to it, and ask for whole collections. Each kind of look-alike lacks
exactly one of the three.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fleetgym_env_cti_realm.stories.plot import Plot
from fleetgym_estate.drawing import azure_ip, one, some
from fleetgym_estate.event import Event
from fleetgym_estate.telemetry.draw import compact, guid, name_guid
from fleetgym_estate.telemetry.identity import tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from fleetgym_estate.estate import Application, Estate

__all__ = ["draw"]

_PURPOSES = ("directory", "mail", "monitor", "deploy")
_OPERATIONS = (
    "Update application – Certificates and secrets management ",  # noqa: RUF001  # as logged
    "Add service principal credentials",
)
_COLLECTIONS = (
    "users?$select=id,displayName,userPrincipalName,accountEnabled&$top=999",
    "users?$top=999",
    "groups?$top=999",
    "groups?$filter=isAssignableToRole eq true",
    "applications?$select=id,displayName,passwordCredentials,keyCredentials&$top=999",
    "servicePrincipals?$top=999",
    "directoryRoles",
    "directoryRoles?$expand=members",
    "roleManagement/directory/roleAssignments?$expand=principal",
    "organization",
    "domains",
    "oauth2PermissionGrants?$top=999",
    "identity/conditionalAccess/policies",
)
_SINGLE = (
    "users/{user}/mailFolders/inbox/messages?$top=25",
    "users/{user}/calendar/events?$top=50",
    "users/{user}",
    "groups/{group}",
    "sites/root/drives",
    "users/{user}/photo/$value",
)
_AGENTS = (
    "python-requests/2.32.3",
    "azsdk-python-msgraph-core/1.1.2 Python/3.11.9",
    "Go-http-client/2.0",
    "NodeFetch/1.0",
    "PowerShell/7.4.3",
    "curl/8.5.0",
)


def draw(estate: Estate, rng: Generator) -> Plot:
    """Draw the intrusion and its look-alikes."""
    scene = _Scene(estate, rng)
    candidates = [app for purpose in _PURPOSES for app in estate.applications_for(purpose)]
    abused, *others = some(rng, candidates, 7)
    addresses = scene.intrude(abused)
    for app in others[0:2]:
        scene.moved(app)
    for app in others[2:4]:
        scene.renewed(app)
    for app in others[4:6]:
        scene.migrated(app)
    return Plot(
        events=scene.events,
        patterns={
            "AppId": f"^{re.escape(abused.app_id)}$",
            "IPAddress": "|".join(f"^{re.escape(address)}$" for address in addresses),
        },
    )


class _Scene:
    """Events as they come to be."""

    def __init__(self, estate: Estate, rng: Generator) -> None:
        self.events: list[Event] = []
        self._estate = estate
        self._rng = rng

    def intrude(self, app: Application) -> list[str]:
        """Let the intruder add a key, sign in and enumerate; return where from."""
        rng = self._rng
        addresses = self._new_addresses(1 + int(rng.integers(0, 2)))
        at = self._when(8, 40)
        key, agent = self._add_key(app, at), self._agent(app)
        total = int(rng.integers(5, 10))
        at += timedelta(minutes=float(rng.uniform(4, 150)))
        for index, address in enumerate(addresses):
            count = total // len(addresses) + (index < total % len(addresses))
            paths = some(rng, _COLLECTIONS, count)
            at = self._work(app, at, address, agent, key=key, paths=paths, asked_for=True)
            at += timedelta(minutes=float(rng.uniform(5, 60)))
        return addresses

    def moved(self, app: Application) -> None:
        """A new runner, the old key: enumerates as it always did."""
        address, at, agent = self._new_addresses(1)[0], self._when(8, 40), self._agent(app)
        for _ in range(2):
            paths = some(self._rng, _COLLECTIONS, int(self._rng.integers(3, 5)))
            at = self._work(app, at, address, agent, key=app.key_id, paths=paths)
            at += timedelta(minutes=float(self._rng.uniform(60, 180)))

    def renewed(self, app: Application) -> None:
        """A person renews the secret; the application goes on from where it always was."""
        rng, at = self._rng, self._when(8, 40)
        address = one(rng, app.ips)
        for hours in (1, 3):
            self._sign_in(app, self._when(hours, hours + 1), address, app.key_id)
        key, agent = self._add_key(app, at), self._agent(app)
        for _ in range(2):
            at += timedelta(minutes=float(rng.uniform(10, 180)))
            paths = some(rng, _COLLECTIONS, int(rng.integers(3, 5)))
            at = self._work(app, at, address, agent, key=key, paths=paths)

    def migrated(self, app: Application) -> None:
        """A person adds a secret for a new host, where the application does its usual work."""
        rng, at = self._rng, self._when(8, 40)
        key, agent = self._add_key(app, at), self._agent(app)
        at += timedelta(minutes=float(rng.uniform(4, 150)))
        paths = [one(rng, _SINGLE) for _ in range(int(rng.integers(6, 9)))]
        address = self._new_addresses(1)[0]
        self._work(app, at, address, agent, key=key, paths=paths)

    def _new_addresses(self, n: int) -> list[str]:
        """Return addresses of access networks or of the cloud that nothing uses."""
        rng = self._rng
        return [one(rng, (*self._estate.outside_ips(rng, 1), azure_ip(rng))) for _ in range(n)]

    def _when(self, first_h: float, last_h: float) -> datetime:
        hours = float(self._rng.uniform(first_h, last_h))
        return self._estate.start + timedelta(hours=hours)

    def _agent(self, app: Application) -> str:
        """Return the application's own client, or that of a script."""
        return one(self._rng, (app.user_agent, one(self._rng, _AGENTS)))

    def _add_key(self, app: Application, at: datetime) -> str:
        """Let a person add a secret, from anywhere; return its id."""
        rng = self._rng
        key, owner = guid(rng), one(rng, self._estate.administrators)
        ip = one(rng, (owner.ips[0], self._estate.outside_ips(rng, 1)[0]))
        user = {"ipAddress": ip, "userPrincipalName": owner.upn}
        self.events.append(
            Event(
                table="AuditLogs",
                values={
                    "TimeGenerated": at,
                    "OperationName": one(rng, _OPERATIONS),
                    "InitiatedBy": {"user": user},
                    "TargetResources": _changed_keys(app, key, f"{self._estate.start:%Y-%m}"),
                    "Result": "success",
                },
            )
        )
        return key

    def _work(
        self,
        app: Application,
        at: datetime,
        address: str,
        agent: str,
        *,
        key: str,
        paths: Sequence[str],
        asked_for: bool = False,
    ) -> datetime:
        """Sign in with ``key`` and request ``paths``; return when that was done."""
        rng = self._rng
        token = self._sign_in(app, at, address, key)
        for path in paths:
            at += timedelta(seconds=float(rng.uniform(2, 90)))
            words = {
                "user": one(rng, self._estate.employees).object_id,
                "group": name_guid(self._estate.tenant_id, "group", int(rng.integers(0, 9))),
            }
            self.events.append(
                Event(
                    table="MicrosoftGraphActivityLogs",
                    values={
                        "TimeGenerated": at,
                        "AppId": app.app_id,
                        "IPAddress": address,
                        "RequestMethod": "GET",
                        "RequestUri": f"https://graph.microsoft.com/v1.0/{path.format(**words)}",
                        "ResponseStatusCode": 403 if rng.random() < 0.15 else 200,
                        "SignInActivityId": token,
                        "UserAgent": agent,
                    },
                    asked_for=asked_for,
                )
            )
        return at

    def _sign_in(self, app: Application, at: datetime, address: str, key: str) -> str:
        """Note a sign-in; return the token's identifier."""
        token = tokens(self._rng, 1)[0]
        self.events.append(
            Event(
                table="AADServicePrincipalSignInLogs",
                values={
                    "TimeGenerated": at,
                    "AppId": app.app_id,
                    "IPAddress": address,
                    "ServicePrincipalCredentialKeyId": key,
                    "ResourceDisplayName": "Microsoft Graph",
                    "ResultType": "0",
                    "UniqueTokenIdentifier": token,
                },
            )
        )
        return token


def _changed_keys(app: Application, added: str, month: str) -> list[dict[str, object]]:
    """Return the target of a change that adds a secret to an application's keys."""
    kept = f"[KeyIdentifier={app.key_id},KeyType=Password,KeyUsage=Verify,DisplayName=]"
    made = f"[KeyIdentifier={added},KeyType=Password,KeyUsage=Verify,DisplayName=rotated-{month}]"
    properties = (
        ("KeyDescription", compact([kept, made]), compact([kept])),
        ("Included Updated Properties", compact("KeyDescription"), ""),
    )
    return [
        {
            "displayName": app.display_name,
            "id": app.registration_id,
            "modifiedProperties": [
                {"displayName": name, "newValue": new, "oldValue": old}
                for name, new, old in properties
            ],
            "type": "Application",
        }
    ]
