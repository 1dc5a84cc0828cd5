"""Somebody signs in as another and sets inbox rules that hide what is answered.

The intrusion's rules mark messages as read and hide them, and they come from an address that is new
to the user and where no device of the company is. Each kind of look-alike lacks exactly one of the
three.
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

_APPS = ("One Outlook Web", "OfficeHome", "Office 365 Exchange Online")
_FOLDERS = (
    "RSS Feeds",
    "RSS Subscriptions",
    "Conversation History",
    "Sync Issues",
    "Notes",
    "Journal",
)
_NAMES = (".", "..", ",,", "-", "a", "1", "zz", "move", "clean up", "invoices", "spam", "partner")
_WORDS = (
    "invoice;payment",
    "IBAN;bank details",
    "wire;transfer;remittance",
    "phishing;hacked",
    "automatic reply;out of office",
    "undeliverable",
    "password;security alert",
    "overdue;statement",
    "purchase order",
)
_DOMAINS = (
    "northwharf-supply.example",
    "kestrel-parts.example",
    "brandmeister.example",
    "lists.example",
)
_OWN_FOLDERS = ("Projects", "To read", "Suppliers", "Team", "Reports", "Travel", "Later")
_PRIVATE_MAIL = ("mailbox.example", "postbox.example", "inmail.example")
_BROWSERS = (
    ("Chrome 137.0.0", "Windows 10", "Chrome/137.0.0.0 Safari/537.36"),
    ("Edge 138.0.0", "Windows 10", "Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0"),
    ("Chrome 136.0.0", "Windows 10", "Chrome/136.0.0.0 Safari/537.36"),
)
_ENGINE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
_PHONE = "Outlook-Android/4.2421.2 (Android 15; Pixel 8)"


def draw(estate: Estate, rng: Generator) -> Plot:
    """Draw the intrusion and its look-alikes."""
    scene = _Scene(estate, rng)
    people = some(rng, estate.employees, len(estate.employees))
    victims, people = people[: 1 + int(rng.integers(0, 3))], people[3:]
    addresses = scene.intrude(victims, attempted=people[0:5])
    for person in people[0:4]:
        scene.tidy(person)
    # Some of those who are away are at the same conference.
    hotels = scene.new_addresses(3)
    for person in people[4:8]:
        scene.travel(person, one(rng, hotels))
    for person in people[8:11]:
        scene.foreign_screen(person, one(rng, hotels))
    for person in people[11:14]:
        scene.private_device(person)
    for person in people[14:16]:
        scene.phone(person)
    for person in people[16:22]:
        scene.mistype(person, one(rng, hotels))
    return Plot(
        events=scene.events,
        patterns={
            "Operation": r"^(New|Set)-InboxRule$",
            "ClientIP": "|".join(f"^{re.escape(address)}$" for address in addresses),
            "UserId": "|".join(f"^{re.escape(victim.upn)}$" for victim in victims),
        },
    )


class _Scene:
    """Events as they come to be."""

    def __init__(self, estate: Estate, rng: Generator) -> None:
        self.events: list[Event] = []
        self._estate = estate
        self._rng = rng

    def intrude(self, victims: Sequence[Employee], attempted: Sequence[Employee]) -> list[str]:
        """Let the intruder into the victims' mailboxes; return where from."""
        rng = self._rng
        addresses = self.new_addresses(1 + int(rng.integers(0, 2)))
        total = int(rng.integers(max(4, 2 * len(victims)), 10))
        for person in attempted:
            self.mistype(person, one(rng, addresses))
        for index, victim in enumerate(victims):
            address, at = one(rng, addresses), self._when(8, 42)
            agent = self._strange_browser(victim, at, address)
            count = total // len(victims) + (index < total % len(victims))
            copied = int(rng.integers(0, count))
            for number in range(count):
                at += timedelta(minutes=float(rng.uniform(2, 16)))
                rule = self._hiding(victim, copied=number == copied)
                self._rule(victim, at, address, agent, rule, asked_for=True)
            self._read(victim, at, address, agent)
        return addresses

    def tidy(self, person: Employee) -> None:
        """The usual address, the own device, rules that hide."""
        at, address = self._when(2, 42), one(self._rng, person.ips[:2])
        self._usual(person, address)
        self._sign_in(person, at, address)
        self._hide(person, at, address, person.user_agent)

    def travel(self, person: Employee, address: str) -> None:
        """A new address, the own device, rules that hide."""
        at = self._when(6, 42)
        self._sign_in(person, at, address)
        self._hide(person, at, address, person.user_agent)

    def foreign_screen(self, person: Employee, address: str) -> None:
        """A new address, an unknown device, rules that hide nothing."""
        at = self._when(6, 42)
        agent = self._strange_browser(person, at, address)
        for _ in range(int(self._rng.integers(2, 4))):
            at += timedelta(minutes=float(self._rng.uniform(2, 30)))
            self._rule(person, at, address, agent, self._filing())

    def private_device(self, person: Employee) -> None:
        """The address at home, an unknown device, rules that hide."""
        at, address = self._when(6, 42), person.ips[-2]
        self._usual(person, address)
        agent = self._strange_browser(person, at, address)
        self._hide(person, at, address, agent)

    def phone(self, person: Employee) -> None:
        """A mobile network, used for long, where the directory knows no device; rules that hide."""
        at, address = self._when(10, 42), person.ips[-1]
        for when in (self._when(0.1, 0.5), self._when(2, 9), at):
            self._sign_in(person, when, address, agent=_PHONE, app="Outlook Mobile")
        self._hide(person, at, address, _PHONE)

    def mistype(self, person: Employee, address: str) -> None:
        """Sign in with a wrong password, be it one's own or somebody else's."""
        self._sign_in(person, self._when(7, 40), address, result="50126")

    def new_addresses(self, n: int) -> list[str]:
        """Return addresses of access networks or of the cloud that nothing uses."""
        rng = self._rng
        return [one(rng, (ip, azure_ip(rng))) for ip in self._estate.outside_ips(rng, n)]

    def _usual(self, person: Employee, address: str) -> None:
        """Have the person seen there at the begin of the window."""
        self._sign_in(person, self._when(0.1, 1.5), address)

    def _strange_browser(self, person: Employee, at: datetime, address: str) -> str:
        """Sign in with a browser that the directory does not know; return its user agent."""
        browser, system, end = one(self._rng, _BROWSERS)
        agent = f"{_ENGINE} {end}"
        if self._rng.random() < 0.5:
            agent, browser, system = person.user_agent, person.browser, person.operating_system
        device = {"browser": browser, "deviceId": "", "operatingSystem": system}
        self._sign_in(person, at, address, agent=agent, device=device)
        return agent

    def _hide(self, person: Employee, at: datetime, address: str, agent: str) -> None:
        for _ in range(int(self._rng.integers(1, 6))):
            at += timedelta(minutes=float(self._rng.uniform(2, 16)))
            copied = self._rng.random() < 0.4
            self._rule(person, at, address, agent, self._hiding(person, copied=copied))
        self._read(person, at, address, agent)

    def _hiding(self, person: Employee, *, copied: bool) -> dict[str, str]:
        """Return parameters of a rule that marks as read and hides."""
        rng = self._rng
        rule = {"MarkAsRead": "True", "Name": one(rng, _NAMES)}
        if rng.random() < 0.45:
            rule["DeleteMessage"] = "True"
        else:
            rule["MoveToFolder"] = one(rng, _FOLDERS)
        if copied:
            name = person.upn.partition("@")[0].replace(".", one(rng, (".", "_", "")))
            outside = f"{name}@{one(rng, _PRIVATE_MAIL)}"
            colleague = one(rng, self._estate.employees).upn
            rule[one(rng, ("ForwardTo", "RedirectTo"))] = one(rng, (outside, outside, colleague))
        return rule | self._condition()

    def _filing(self) -> dict[str, str]:
        """Return parameters of a rule that hides nothing."""
        rng = self._rng
        rule = {"Name": one(rng, _NAMES)}
        if rng.random() < 0.3:
            rule["DeleteMessage"] = "True"
        else:
            rule |= {"MarkAsRead": one(rng, ("True", "False"))}
            rule |= {"MoveToFolder": one(rng, _OWN_FOLDERS)}
        return rule | self._condition()

    def _condition(self) -> dict[str, str]:
        rng = self._rng
        options: tuple[dict[str, str], ...] = (
            {"SubjectContainsWords": one(rng, _WORDS)},
            {"SubjectOrBodyContainsWords": one(rng, _WORDS)},
            {"BodyContainsWords": one(rng, _WORDS)},
            {"FromAddressContainsWords": one(rng, _DOMAINS)},
            {},
        )
        return one(rng, options)

    def _when(self, first_h: float, last_h: float) -> datetime:
        return self._estate.start + timedelta(hours=float(self._rng.uniform(first_h, last_h)))

    def _sign_in(
        self,
        person: Employee,
        at: datetime,
        address: str,
        *,
        agent: str | None = None,
        device: dict[str, str] | None = None,
        app: str | None = None,
        result: str = "0",
    ) -> None:
        """Note a sign-in, on the person's own device unless something else is said."""
        unknown: dict[str, Any] = {"DeviceDetail": compact(device)} if device else {}
        values = {
            "TimeGenerated": at,
            "UserPrincipalName": person.upn,
            "IPAddress": address,
            "AppDisplayName": app or one(self._rng, _APPS),
            "ResultType": result,
            "UserAgent": agent or person.user_agent,
            "IsInteractive": True,
            **unknown,
        }
        self.events.append(Event(table="SignInLogs", values=values))

    def _rule(
        self,
        person: Employee,
        at: datetime,
        address: str,
        agent: str,
        rule: dict[str, str],
        *,
        asked_for: bool = False,
    ) -> None:
        """Note that an inbox rule was made, or changed into this."""
        rng = self._rng
        operation, named = "New-InboxRule", dict(rule)
        if rng.random() < 0.3:
            operation, named["Identity"] = "Set-InboxRule", named.pop("Name")
        else:
            named |= {"AlwaysDeleteOutlookRulesBlob": "False", "Force": "False"}
        named["StopProcessingRules"] = one(rng, ("True", "False"))
        parameters = [{"Name": name, "Value": named[name]} for name in sorted(named)]
        self._mail(
            person, at, address, agent, operation, parameters=parameters, asked_for=asked_for
        )

    def _read(self, person: Employee, at: datetime, address: str, agent: str) -> None:
        """Note what else happens in a session."""
        for _ in range(int(self._rng.integers(1, 4))):
            at += timedelta(minutes=float(self._rng.uniform(1, 20)))
            operation = one(self._rng, ("MailItemsAccessed", "MailItemsAccessed", "Send"))
            self._mail(person, at, address, agent, operation)

    def _mail(
        self,
        person: Employee,
        at: datetime,
        address: str,
        agent: str,
        operation: str,
        *,
        parameters: list[dict[str, str]] | None = None,
        asked_for: bool = False,
    ) -> None:
        values = {
            "TimeGenerated": at.replace(microsecond=0),
            "UserId": person.upn,
            "Operation": operation,
            "ClientIP": address,
            "UserAgent": agent,
            **({"Parameters": compact(parameters)} if parameters is not None else {}),
        }
        self.events.append(Event(table="OfficeActivity", values=values, asked_for=asked_for))
