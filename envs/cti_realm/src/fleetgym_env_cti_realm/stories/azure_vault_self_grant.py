"""An identity grants itself access to key vaults and reads secrets somewhere else.

The intrusion's reads are by an identity that granted itself the right, come from an address that
asked no vault as this identity before, and fetch values. Each kind of look-alike lacks exactly one
of the three.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from fleetgym_env_cti_realm.stories.plot import Plot
from fleetgym_estate.drawing import azure_ip, one, some
from fleetgym_estate.event import Event
from fleetgym_estate.telemetry.draw import compact, guid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from fleetgym_estate.estate import Application, Employee, Estate, KeyVault

__all__ = ["draw"]

_ROLE = "MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/WRITE"
_POLICY = "MICROSOFT.KEYVAULT/VAULTS/ACCESSPOLICIES/WRITE"
_ROLE_IDS = (
    "4633458b-17de-408a-b874-0445c86b69e6",
    "00482a5a-887f-4fb3-b363-3b7fe8e74483",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
)
"""Key Vault Secrets User, Administrator, Secrets Officer."""

_PURPOSES = ("deploy", "monitor", "directory", "mail")
_CLIENTS = (
    "azsdk-python-keyvault-secrets/4.8.0 Python/3.11.9 (Linux-6.1.0-x86_64)",
    "azsdk-go-azsecrets/v1.3.0 (go1.22.5; linux)",
    "azsdk-js-keyvault-secrets/4.9.0 core-rest-pipeline/1.18.0 Node/20.16.0",
    "AZURECLI/2.63.0 (DEB) azsdk-python-core/1.28.0 Python/3.11.8",
    "Az.KeyVault/6.2.0 PowerShell/7.4.3",
)
_LOOKS = (
    ("SecretList", "/secrets"),
    ("VaultGet", ""),
    ("SecretListVersions", "/secrets/{secret}/versions"),
    ("CertificateList", "/certificates"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    """Whoever asks a vault: a person or an application."""

    object_id: str
    caller: str
    """What ``AzureActivity`` calls it."""

    upn: str | None
    usual: str
    """An address that it is always at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    """What an identity does in one go."""

    identity: _Identity
    address: str
    client: str | None
    """None for the identity's own."""

    vaults: Sequence[KeyVault]


def draw(estate: Estate, rng: Generator) -> Plot:
    """Draw the intrusion and its look-alikes."""
    scene = _Scene(estate, rng)
    identities = _identities(estate, rng)
    thieves, others = identities[: 1 + int(rng.integers(0, 2))], identities[2:]
    addresses = scene.addresses[: 1 + int(rng.integers(0, 2))]
    scene.intrude(thieves, addresses)
    for identity in others[0:2]:
        scene.at_the_desk(identity)
    for identity in others[2:5]:
        scene.on_request(identity)
    for identity in others[5:7]:
        scene.inventory(identity)
    return Plot(
        events=scene.events,
        patterns={
            "OperationName": "^SecretGet$",
            "CallerIPAddress": "|".join(f"^{re.escape(address)}$" for address in addresses),
            "identity_claim_oid_g": "|".join(f"^{thief.object_id}$" for thief in thieves),
        },
    )


def _identities(estate: Estate, rng: Generator) -> list[_Identity]:
    """Return people and applications in random order; nine at least."""
    people = [_person(employee) for employee in some(rng, estate.administrators, 6)]
    apps = [app for purpose in _PURPOSES for app in estate.applications_for(purpose)]
    both = people + [_application(app) for app in some(rng, apps, 6)]
    return some(rng, both, len(both))


def _person(employee: Employee) -> _Identity:
    return _Identity(
        object_id=employee.object_id,
        caller=employee.upn,
        upn=employee.upn,
        usual=employee.ips[0],
    )


def _application(app: Application) -> _Identity:
    return _Identity(object_id=app.object_id, caller=app.object_id, upn=None, usual=app.ips[0])


class _Scene:
    """Events as they come to be."""

    def __init__(self, estate: Estate, rng: Generator) -> None:
        self.events: list[Event] = []
        self._estate = estate
        self._rng = rng
        self.addresses = [one(rng, (ip, azure_ip(rng))) for ip in estate.outside_ips(rng, 4)]
        """Where people and machines are that are not at home; some share one with the intruder."""

    def intrude(self, thieves: list[_Identity], addresses: list[str]) -> None:
        """Let the intruder grant, look and fetch as each of ``thieves``."""
        rng, at = self._rng, self._when(8, 36)
        total = int(rng.integers(5, 10))
        for index, thief in enumerate(thieves):
            session = self._session(thief, one(rng, addresses))
            self._grant(session, at, thief.caller, session.address)
            at += timedelta(minutes=float(rng.uniform(6, 150)))
            at = self._look(session, at, 2)
            count = total // len(thieves) + (index < total % len(thieves))
            at = self._fetch(session, at, count, asked_for=True)
            at += timedelta(minutes=float(rng.uniform(4, 40)))

    def at_the_desk(self, identity: _Identity) -> None:
        """Granted by itself, read where it always is."""
        session, at = self._session(identity, identity.usual), self._when(8, 40)
        self._grant(session, at, identity.caller, identity.usual)
        self._read(session, at)

    def on_request(self, identity: _Identity) -> None:
        """Granted by somebody else, read somewhere new."""
        rng, at = self._rng, self._when(8, 40)
        session = self._session(identity, one(rng, self.addresses))
        deploy = _application(one(rng, self._estate.applications_for("deploy")))
        admin = _person(one(rng, self._estate.administrators))
        granting = one(rng, [other for other in (deploy, admin) if other != identity])
        self._grant(session, at, granting.caller, granting.usual)
        self._read(session, at)

    def inventory(self, identity: _Identity) -> None:
        """Granted by itself, somewhere new; nothing is fetched there."""
        session, at = self._session(identity, one(self._rng, self.addresses)), self._when(8, 40)
        self._grant(session, at, identity.caller, session.address)
        at += timedelta(minutes=float(self._rng.uniform(6, 150)))
        self._look(session, at, int(self._rng.integers(5, 8)))

    def _session(self, identity: _Identity, address: str) -> _Session:
        """Return a session of an identity that has asked vaults where it always is."""
        rng = self._rng
        for hours in (0.1, 3.0):
            vaults = some(rng, self._estate.key_vaults, 1)
            usual = _Session(identity=identity, address=identity.usual, client=None, vaults=vaults)
            self._fetch(usual, self._when(hours, hours + 2), 1)
        return _Session(
            identity=identity,
            address=address,
            client=one(rng, (*_CLIENTS, one(rng, self._estate.administrators).user_agent)),
            vaults=some(rng, self._estate.key_vaults, 1 + int(rng.integers(0, 2))),
        )

    def _when(self, first_h: float, last_h: float) -> datetime:
        return self._estate.start + timedelta(hours=float(self._rng.uniform(first_h, last_h)))

    def _grant(self, session: _Session, at: datetime, caller: str, address: str) -> None:
        """Let ``caller`` give the identity a right to read the vaults' secrets."""
        rng, benefits = self._rng, session.identity.object_id
        by_policy = rng.random() < 0.5
        for vault in session.vaults:
            at += timedelta(seconds=float(rng.uniform(4, 90)))
            operation, resource, body = (
                _policy(vault, benefits) if by_policy else _assignment(vault, benefits, rng)
            )
            correlation = guid(rng)
            for status, later in (("Start", 0.0), ("Success", float(rng.uniform(0.3, 4)))):
                values = {
                    "TimeGenerated": at + timedelta(seconds=later),
                    "OperationNameValue": operation,
                    "ActivityStatusValue": status,
                    "Caller": caller,
                    "CallerIpAddress": address,
                    "CorrelationId": correlation,
                    "ResourceId": resource,
                    "Properties": {"requestbody": compact(body)},
                }
                self.events.append(Event(table="AzureActivity", values=values))

    def _read(self, session: _Session, at: datetime) -> None:
        at += timedelta(minutes=float(self._rng.uniform(6, 150)))
        at = self._look(session, at, 1)
        self._fetch(session, at, int(self._rng.integers(3, 7)))

    def _look(self, session: _Session, at: datetime, count: int) -> datetime:
        """Request what gives no value; return when that was done."""
        for index in range(count):
            at += timedelta(seconds=float(self._rng.uniform(1, 60)))
            self._ask(session, at, _LOOKS[0] if index == 0 else one(self._rng, _LOOKS))
        return at

    def _fetch(
        self, session: _Session, at: datetime, count: int, *, asked_for: bool = False
    ) -> datetime:
        """Fetch secrets; return when that was done."""
        for _ in range(count):
            at += timedelta(seconds=float(self._rng.uniform(2, 600)))
            self._ask(session, at, ("SecretGet", "/secrets/{secret}"), asked_for=asked_for)
        return at

    def _ask(
        self, session: _Session, at: datetime, call: tuple[str, str], *, asked_for: bool = False
    ) -> None:
        operation, path = call
        vault, identity = one(self._rng, session.vaults), session.identity
        refused = operation == "SecretGet" and self._rng.random() < 0.15
        secret = path.format(secret=one(self._rng, vault.secrets))
        values: dict[str, Any] = {
            "TimeGenerated": at,
            "ResourceId": vault.resource_id.upper(),
            "OperationName": operation,
            "CallerIPAddress": session.address,
            "id_s": f"https://{vault.name}.vault.azure.net{secret}",
            "httpStatusCode_d": 403.0 if refused else 200.0,
            "identity_claim_oid_g": identity.object_id,
            **({"identity_claim_upn_s": identity.upn} if identity.upn else {}),
            **({"clientInfo_s": session.client} if session.client else {}),
        }
        self.events.append(Event(table="AzureDiagnostics", values=values, asked_for=asked_for))


def _policy(vault: KeyVault, object_id: str) -> tuple[str, str, dict[str, Any]]:
    """Return operation, resource and request body that add an access policy."""
    policy = {"objectId": object_id, "permissions": {"secrets": ["get", "list"]}}
    return _POLICY, vault.resource_id, {"properties": {"accessPolicies": [policy]}}


def _assignment(vault: KeyVault, object_id: str, rng: Generator) -> tuple[str, str, dict[str, Any]]:
    """Return operation, resource and request body that assign a role."""
    path = "/providers/Microsoft.Authorization"
    definition = (
        f"/subscriptions/{vault.subscription_id}{path}/roleDefinitions/{one(rng, _ROLE_IDS)}"
    )
    resource = f"{vault.resource_id}{path}/roleAssignments/{guid(rng)}"
    properties = {"principalId": object_id, "roleDefinitionId": definition}
    return _ROLE, resource, {"properties": properties}
