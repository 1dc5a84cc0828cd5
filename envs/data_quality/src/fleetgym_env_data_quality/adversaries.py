"""Ways to seek a score in DataQuality-v1 without finding out what is wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fleetgym.contracts.policy import Adversary
from fleetgym.contracts.tools import SUBMIT, ToolCall
from fleetgym_env_data_quality.expert import looked, report_of
from fleetgym_env_data_quality.expert.checks import checks

if TYPE_CHECKING:
    from fleetgym.contracts.episode import Brief
    from fleetgym.contracts.policy import Plan
    from fleetgym.contracts.scenario import Budget

__all__ = ["ADVERSARIES"]

_MOST = 30


def _everything(brief: Brief, budget: Budget, seed: int) -> Plan:
    """Report whatever could be wrong, with the queries of an expert, and look at nothing."""
    del budget, seed
    dictionary = yield from looked()
    suspects = [check for check in checks(dictionary) if check.kind != "missing_value"][:_MOST]
    yield ToolCall(SUBMIT, {"answer": json.dumps(report_of(brief.task, suspects, dictionary.tag))})


ADVERSARIES = (
    Adversary(
        name="suspect-all",
        summary="reports all that could be wrong, with the expert's queries, without running them",
        below=0.4,
        plan=_everything,
    ),
)
