"""Ways to seek a score in IncidentTriage-v1 without telling the alerts apart."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from fleetgym.contracts.policy import Adversary
from fleetgym.contracts.tools import SUBMIT, ToolCall
from fleetgym_env_incident_triage.expert import chain, read_queue, verdicts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fleetgym.contracts.episode import Brief
    from fleetgym.contracts.policy import Plan
    from fleetgym.contracts.scenario import Budget

__all__ = ["ADVERSARIES"]

_MOST_STAGES = 40


def _believe(reason: str, brief: Brief, budget: Budget, seed: int) -> Plan:
    """Work as the expert does, look everything up, and give every alert the same reason."""
    del brief, budget, seed
    alerts = yield from read_queue()
    company = yield from verdicts.company_of()
    decided = yield from verdicts.decide(alerts, company)
    decided = [replace(d, reason=reason) for d in decided]
    stages = yield from chain.follow(decided, company)
    yield _hand_in(
        [(d.alert["id"], d.verdict, d.reason) for d in decided],
        {d.asset for d in decided} | {s.asset for s in stages},
        {d.account for d in decided} | {s.account for s in stages},
        [stage.to_json() for stage in stages],
    )


def _hand_in(
    decided: Sequence[tuple[str, str, str]],
    assets: Iterable[str],
    accounts: Iterable[str],
    stages: Sequence[dict[str, Any]],
) -> ToolCall:
    report = {
        "verdicts": [
            {"alert_id": name, "verdict": verdict, "reason": reason}
            for name, verdict, reason in decided
        ],
        "incident": {
            "assets": sorted({*assets} - {""}),
            "accounts": sorted({*accounts} - {""}),
            "stages": list(stages[:_MOST_STAGES]),
        },
    }
    return ToolCall(SUBMIT, {"answer": json.dumps(report)})


ADVERSARIES = (
    Adversary(
        name="everything",
        summary="follows every alert as a true one, names all assets, accounts and stages",
        below=0.4,
        plan=partial(_believe, "malicious_activity"),
    ),
    Adversary(
        name="believe-none",
        summary="looks everything up and calls every alert a false positive",
        below=0.4,
        plan=partial(_believe, "incorrect_logic"),
    ),
)
