"""Who is who and where: the facts about people, applications and addresses that tables repeat."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fleetgym_estate.estate import Application, Employee, Place
from fleetgym_estate.microsoft import FIRST_PARTY
from fleetgym_estate.telemetry.data import read
from fleetgym_estate.telemetry.draw import Array, compact, name_guid, objects, stable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from fleetgym_estate.estate import Estate

__all__ = [
    "app_id_of",
    "app_name_of",
    "application",
    "location_details",
    "person",
    "place_of",
    "tokens",
    "weighted",
]


@lru_cache(maxsize=4096)
def person(estate: Estate, upn: str) -> Employee:
    """Return the employee of a user principal name; for others somebody made up after the name."""
    known = estate.employee_by_upn.get(upn.lower())
    if known:
        return known
    like = estate.employees[stable(upn) % len(estate.employees)]
    name = upn.partition("@")[0].replace(".", " ").replace("_", " ").title()
    return Employee(
        upn=upn,
        display_name=name,
        object_id=name_guid(estate.tenant_id, upn),
        department=like.department,
        administrator=False,
        place=like.place,
        ips=like.ips,
        device_name="",
        device_id="",
        operating_system=like.operating_system,
        browser=like.browser,
        user_agent=like.user_agent,
    )


@lru_cache(maxsize=4096)
def application(estate: Estate, key: str) -> Application:
    """Return the application with this app id, object id or name; unknown ones are made up."""
    for known in estate.applications:
        if key in {known.app_id, known.object_id, known.display_name}:
            return known
    like = estate.applications[stable(key) % len(estate.applications)]
    given_id = key.count("-") == 4
    return Application(
        display_name=app_name_of(estate, key) if given_id else key,
        app_id=key if given_id else name_guid("app", key),
        object_id=name_guid(estate.tenant_id, "principal", key),
        registration_id=name_guid(estate.tenant_id, "registration", key),
        purpose=like.purpose,
        key_id=name_guid(estate.tenant_id, "credential", key),
        thumbprint="",
        owner_upn=like.owner_upn,
        ips=like.ips,
        user_agent=like.user_agent,
    )


_NAMES = {app_id: name for name, app_id in FIRST_PARTY.items()}


def app_id_of(estate: Estate, name: str) -> str:
    """Return the id of an application by its display name."""
    if name in FIRST_PARTY:
        return FIRST_PARTY[name]
    return next(
        (a.app_id for a in estate.applications if a.display_name == name), name_guid("app", name)
    )


def app_name_of(estate: Estate, app_id: str) -> str:
    """Return the display name of an application by its id; of unknown ones its first digits."""
    known = estate.application_by_id.get(app_id)
    return known.display_name if known else _NAMES.get(app_id, f"app-{app_id[:8]}")


@lru_cache(maxsize=8192)
def place_of(estate: Estate, ip: str, country: str | None = None) -> Place:
    """Return where an address is: as the estate knows it, or else in some city (of ``country``)."""
    known = estate.places.get(ip)
    if known and country in {None, known.country}:
        return known
    cities: list[list[Any]] = read("names.yaml", "fleetgym_estate")["cities"]
    among = [city for city in cities if city[0] == country]
    if country and not among:
        bits = stable(country)
        latitude, longitude = bits % 120 - 60 + 0.41, (bits >> 9) % 300 - 150 + 0.27
        among.append([country, "", "", 0, latitude, longitude])
    row = (among or cities)[stable(ip) % len(among or cities)]
    return Place(
        country=row[0],
        region=row[1],
        city=row[2],
        utc_offset_h=row[3],
        latitude=row[4],
        longitude=row[5],
    )


def location_details(place: Place) -> str:
    """Return the dynamic column that spells out a place."""
    return compact(
        {
            "city": place.city,
            "countryOrRegion": place.country,
            "geoCoordinates": {"latitude": place.latitude, "longitude": place.longitude},
            "state": place.region,
        }
    )


def tokens(rng: Generator, n: int) -> Array:
    """Return ``n`` identifiers of access tokens, 22 characters each."""
    text = base64.urlsafe_b64encode(rng.bytes(15 * n)).decode()
    return objects(text[i : i + 20] + "AA" for i in range(0, 20 * n, 20))


def weighted(options: Sequence[Sequence[Any]], number: int) -> Sequence[Any]:
    """Return one of ``options``, whose first items are weights, as ``number`` has it."""
    place = number % (1 << 20) / (1 << 20) * sum(option[0] for option in options)
    for option in options:
        place -= option[0]
        if place < 0:
            return option
    return options[-1]
