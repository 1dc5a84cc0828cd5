"""From a stolen sign-in to an application that empties vaults and storage."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fleetgym_env_incident_triage.acts.act import Act
from fleetgym_env_incident_triage.cast import ROLES, outside
from fleetgym_env_incident_triage.stories.pace import paced
from fleetgym_estate.drawing import one, some

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Estate

__all__ = ["intrude"]


def intrude(estate: Estate, rng: Generator) -> list[Act]:
    """Sign in, hide in the mailbox, gain power over the directory, and work as an application."""
    person = one(rng, estate.administrators).upn
    app = one(rng, [a for a in estate.applications if a.purpose in {"service", "analytics"}])
    entry, away = outside(estate, rng), outside(estate, rng)
    human = partial(Act, account=person, origin=entry, asset="", at=estate.start)
    machine = partial(Act, account=app.app_id, origin=away, at=estate.start)
    thing = app.display_name if rng.random() < 0.5 else one(rng, (person, one(rng, ROLES)))
    settling = [
        human(rule="cloud-mailbox-rule"),
        human(rule="cloud-directory-change", thing=thing),
    ]
    if rng.random() < 0.5:
        vault = one(rng, estate.key_vaults).name.lower()
        settling.append(human(rule="cloud-vault-harvest", asset=vault))
    ending = [
        machine(rule="cloud-blob-download", asset=account.name)
        for account in some(rng, estate.storage_accounts, 1 + int(rng.random() < 0.5))
    ]
    if rng.random() < 0.6:
        vault = one(rng, estate.key_vaults).name.lower()
        ending.append(machine(rule="cloud-vault-harvest", asset=vault))
    acts = [
        human(rule="cloud-unusual-sign-in"),
        *some(rng, settling, len(settling)),
        machine(rule="cloud-principal-sign-in", asset="", thing=app.display_name),
        *some(rng, ending, len(ending)),
    ]
    return paced(estate, rng, acts)
