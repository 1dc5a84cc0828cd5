"""From a stolen SSH account to data copied out of a second server."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fleetgym_env_incident_triage.acts.act import Act
from fleetgym_env_incident_triage.cast import outside
from fleetgym_env_incident_triage.stories.pace import paced
from fleetgym_estate.drawing import one, some

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Estate

__all__ = ["intrude"]


def intrude(estate: Estate, rng: Generator) -> list[Act]:
    """Enter, settle in, take credentials, move on, settle in or not, copy data out."""
    first, second = some(rng, [u.name for u in estate.linux_users if u.administrator], 2)
    entry, target, other = some(rng, [h for h in estate.hosts if h.role != "bastion"], 3)
    here = partial(
        Act, account=first, origin=outside(estate, rng), asset=entry.name, at=estate.start
    )
    there = partial(Act, account=second, origin=entry.ip, at=estate.start)
    on_target = partial(there, asset=target.name)
    settling = [here(rule="linux-autostart"), here(rule="linux-credentials")]
    if rng.random() < 0.5:
        settling.append(here(rule="linux-log-tampering"))
    moving = [on_target(rule="linux-remote-session")]
    if rng.random() < 0.5:
        moving.append(there(rule="linux-remote-session", asset=other.name))
    ending = [on_target(rule=one(rng, ("linux-autostart", "linux-credentials")))]
    ending.append(on_target(rule="linux-outbound-copy"))
    if rng.random() < 0.5:
        ending.append(on_target(rule="linux-log-tampering"))
    acts = [
        here(rule="linux-remote-session"),
        *some(rng, settling, len(settling)),
        *some(rng, moving, len(moving)),
        *some(rng, ending, len(ending)),
    ]
    return paced(estate, rng, acts)
