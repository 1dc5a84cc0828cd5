"""Passwords are guessed, and a second factor is registered for accounts whose guess was right.

The intrusion's sign-ins are by accounts whose password proved right at a guessing address, at an
address that is new to the account, and security info was registered there. Each kind of look-alike
lacks exactly one of the three.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from fleetgym_env_cti_realm.stories.plot import Plot
from fleetgym_estate.drawing import azure_ip, one, some
from fleetgym_estate.event import Event
from fleetgym_estate.telemetry.draw import compact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from fleetgym_estate.estate import Employee, Estate

__all__ = ["draw"]

_WRONG = "50126"
_RIGHT = ("50076", "50074", "53003")
"""Codes that are given once the password was right."""

_APPS = (
    "OfficeHome",
    "Office 365 Exchange Online",
    "One Outlook Web",
    "Office 365 SharePoint Online",
    "Microsoft Teams",
    "Microsoft Office",
)
_ENGINE = "AppleWebKit/537.36 (KHTML, like Gecko)"
_CLIENTS = (
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_ENGINE} Chrome/137.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:139.0) Gecko/20100101 Firefox/139.0",
    "python-requests/2.32.3",
    "BAV2ROPC",
    "okhttp/4.12.0",
)
_BROWSERS = (
    *_CLIENTS[:2],
    f"Mozilla/5.0 (Linux; Android 15; Pixel 8) {_ENGINE} Chrome/138.0.0.0 Mobile Safari/537.36",
    f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {_ENGINE} Mobile/15E148 Safari/604.1",
)


def draw(estate: Estate, rng: Generator) -> Plot:
    """Draw the intrusion and its look-alikes."""
    scene = _Scene(estate, rng)
    people = some(rng, estate.employees, len(estate.employees))
    count = 1 + int(rng.integers(0, 3))
    victims, stopped, warned, moved = people[:count], people[3:6], people[6:9], people[9:12]
    mistyped, tried = people[12:15], people[9:30]
    hits = scene.spray([*victims, *stopped, *warned], tried)
    addresses = scene.intrude(victims, hits)
    for person in stopped:
        scene.travels(person, hits[person.upn])
    for person in warned:
        scene.reacts(person, hits[person.upn])
    for person in moved:
        scene.enrolls(person, scene.when(12, 40))
    scene.gateway(mistyped, people[15:34])
    return Plot(
        events=scene.events,
        patterns={
            "ResultType": "^0$",
            "IPAddress": "|".join(f"^{re.escape(address)}$" for address in addresses),
            "UserPrincipalName": "|".join(f"^{re.escape(victim.upn)}$" for victim in victims),
        },
    )


class _Scene:
    """Events as they come to be."""

    def __init__(self, estate: Estate, rng: Generator) -> None:
        self.events: list[Event] = []
        self._estate = estate
        self._rng = rng
        self._places = self._new_addresses(4)
        """Where people are that are not at home; some share a place with the intruder."""

    def spray(self, guessed: Sequence[Employee], tried: Sequence[Employee]) -> dict[str, datetime]:
        """Try passwords from a few addresses; return when each guess was right, by account."""
        rng, at = self._rng, self.when(6, 12)
        addresses = self._new_addresses(int(rng.integers(2, 4)))
        client = one(rng, _CLIENTS)
        hits: dict[str, datetime] = {}
        for index, person in enumerate(some(rng, [*guessed, *tried], len(guessed) + len(tried))):
            address = addresses[index % len(addresses)]
            for _ in range(int(rng.integers(1, 3))):
                at += timedelta(seconds=float(rng.uniform(5, 200)))
                self._sign_in(person, at, address, agent=client, result=_WRONG)
            if person in guessed:
                at += timedelta(seconds=float(rng.uniform(5, 200)))
                self._sign_in(person, at, address, agent=client, result=one(rng, _RIGHT))
                hits[person.upn] = at
        return hits

    def intrude(self, victims: Sequence[Employee], hits: dict[str, datetime]) -> list[str]:
        """Let the intruder enroll and work as each victim; return where from."""
        rng = self._rng
        addresses = self._places[: 1 + int(rng.integers(0, 2))]
        total = int(rng.integers(max(4, 2 * len(victims)), 10))
        for index, victim in enumerate(victims):
            at = hits[victim.upn] + timedelta(hours=float(rng.uniform(1, 20)))
            count = total // len(victims) + (index < total % len(victims))
            self._usual(victim)
            self._enroll_and_work(victim, at, one(rng, addresses), count, asked_for=True)
        return addresses

    def travels(self, person: Employee, hit: datetime) -> None:
        """Guessed; at a new place, where nothing is registered."""
        self._usual(person)
        at = hit + timedelta(hours=float(self._rng.uniform(1, 20)))
        self._work(person, at, one(self._rng, self._places), int(self._rng.integers(2, 5)))

    def reacts(self, person: Employee, hit: datetime) -> None:
        """Guessed; registered where the account always was."""
        self._usual(person)
        at = hit + timedelta(hours=float(self._rng.uniform(1, 20)))
        self._enroll_and_work(person, at, person.ips[0], int(self._rng.integers(2, 5)))

    def enrolls(self, person: Employee, at: datetime) -> None:
        """Registered at a new place; not guessed, if tried at all."""
        self._usual(person)
        address = one(self._rng, self._places)
        self._enroll_and_work(person, at, address, int(self._rng.integers(2, 5)))

    def gateway(self, mistyped: Sequence[Employee], others: Sequence[Employee]) -> None:
        """People mistype at a new gateway and get it right; some of them have a new phone."""
        rng = self._rng
        (address,) = self._new_addresses(1)
        for person in [*mistyped, *others]:
            at = self.when(5, 20)
            fails = person in mistyped or rng.random() < 0.6
            if fails:
                self._sign_in(person, at, address, result=_WRONG)
            for _ in range(int(rng.integers(1, 3))):
                at += timedelta(seconds=float(rng.uniform(8, 900)))
                self._sign_in(person, at, address)
        for person in mistyped:
            self.enrolls(person, self.when(22, 44))

    def when(self, first_h: float, last_h: float) -> datetime:
        """Return a time between two hours of the window."""
        return self._estate.start + timedelta(hours=float(self._rng.uniform(first_h, last_h)))

    def _new_addresses(self, n: int) -> list[str]:
        """Return addresses of access networks or of the cloud that nothing uses."""
        rng = self._rng
        return [one(rng, (ip, azure_ip(rng))) for ip in self._estate.outside_ips(rng, n)]

    def _usual(self, person: Employee) -> None:
        """Have the person seen at the usual address at the begin of the window."""
        self._sign_in(person, self.when(0.1, 4), person.ips[0])

    def _enroll_and_work(
        self, person: Employee, at: datetime, address: str, count: int, *, asked_for: bool = False
    ) -> None:
        """Sign in, register security info, and sign in for the rest."""
        rng = self._rng
        early = 1 + int(rng.integers(0, count - 1))
        at = self._work(person, at, address, early, asked_for=asked_for)
        at += timedelta(seconds=float(rng.uniform(40, 400)))
        self._register(person, at, address)
        self._work(person, at, address, count - early, asked_for=asked_for)

    def _work(
        self, person: Employee, at: datetime, address: str, count: int, *, asked_for: bool = False
    ) -> datetime:
        """Sign in to this and that; return when that was done."""
        rng = self._rng
        agent = one(rng, (person.user_agent, *_BROWSERS))
        if rng.random() < 0.4:
            self._sign_in(person, at, address, agent=agent, result="50140")
        for _ in range(count):
            at += timedelta(minutes=float(rng.uniform(1, 70)))
            self._sign_in(person, at, address, agent=agent, asked_for=asked_for)
        return at

    def _sign_in(
        self,
        person: Employee,
        at: datetime,
        address: str,
        *,
        agent: str | None = None,
        result: str = "0",
        asked_for: bool = False,
    ) -> None:
        """Note a sign-in; on the person's own device when no client is given."""
        device: dict[str, Any] = {}
        # A copied user agent does not make a device known.
        if agent == person.user_agent and (asked_for or self._rng.random() < 0.5):
            system = {"browser": person.browser, "operatingSystem": person.operating_system}
            device = {"DeviceDetail": compact({**system, "deviceId": ""})}
        values = {
            "TimeGenerated": at,
            "UserPrincipalName": person.upn,
            "IPAddress": address,
            "AppDisplayName": one(self._rng, _APPS),
            "ResultType": result,
            "UserAgent": agent or person.user_agent,
            "IsInteractive": True,
            **device,
        }
        self.events.append(Event(table="SignInLogs", values=values, asked_for=asked_for))

    def _register(self, person: Employee, at: datetime, address: str) -> None:
        updated = {"displayName": "Included Updated Properties", "newValue": '""', "oldValue": ""}
        target: dict[str, Any] = {
            "displayName": person.display_name,
            "id": person.object_id,
            "modifiedProperties": [updated],
            "type": "User",
            "userPrincipalName": person.upn,
        }
        values: dict[str, Any] = {
            "TimeGenerated": at,
            "OperationName": "User registered security info",
            "InitiatedBy": {"user": {"ipAddress": address, "userPrincipalName": person.upn}},
            "TargetResources": [target],
            "Result": "success",
        }
        self.events.append(Event(table="AuditLogs", values=values))
