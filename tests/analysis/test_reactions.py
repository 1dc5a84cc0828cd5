from __future__ import annotations

from fleetgym.analysis.reaction_table import reaction_tables
from fleetgym.analysis.reactions import reaction_rows
from fleetgym.analysis.summary import grouped, summarize
from fleetgym.analysis.table import comparison_text
from fleetgym.contracts.record import FaultRecord, Outcome, Reaction, RunRecord
from synthetic import suite


def fault(
    kind: str, reaction: Reaction, *, attempts: int = 1, waited_s: float = 0.0
) -> FaultRecord:
    return FaultRecord(
        plane="model",
        kind=kind,
        agent="main",
        first=2,
        injected=max(1, attempts - 1),
        attempts=attempts,
        waited_s=waited_s,
        reaction=reaction,
        recovered=reaction is Reaction.RETRIED,
    )


def befallen(condition: str, *faults: FaultRecord) -> list[RunRecord]:
    """Return runs of each framework that met the faults."""
    return [
        run.model_copy(
            update={
                "key": run.key.model_copy(update={"condition": condition}),
                "faults": list(faults),
            }
        )
        for run in suite()
        if run.outcome is not Outcome.VOID and run.key.framework != "reference"
    ]


def test_a_condition_with_one_kind_of_fault_gives_it_its_name() -> None:
    runs = befallen("faults/once", fault("rate_limit", Reaction.RETRIED, attempts=2, waited_s=2.0))
    rows = reaction_rows(grouped(runs))
    assert {row.fault for row in rows} == {"once"}
    assert [row.name for row in rows] == list(grouped(runs))
    for row in rows:
        assert row.incidents == len(grouped(runs)[row.name])
        assert (row.injected, row.attempts, row.waited_s) == (1, 2, 2.0)
        assert row.reactions == {"retried": row.incidents}
        assert row.recovered.value == 1


def test_kinds_of_a_condition_are_told_apart() -> None:
    runs = befallen("storm", fault("html", Reaction.RAISED), fault("slow", Reaction.WENT_ON))
    rows = reaction_rows(grouped(runs))
    assert {row.fault for row in rows} == {"storm: model html", "storm: model slow"}
    assert all(row.waited_s is None for row in rows)


def test_a_comparison_without_faults_says_nothing_of_them() -> None:
    comparison = summarize(suite())
    assert comparison.reactions == ()
    assert reaction_tables(comparison.reactions) == []
    assert "what came of them" not in comparison_text(comparison)


def test_frameworks_that_did_the_same_share_a_line() -> None:
    first, *others = befallen("faults/gone", fault("html", Reaction.RAISED))
    text = comparison_text(summarize([first, *others]), width=120)
    table = text[text.index("faults, and what came of them") :]
    assert table.count("gone") == 1
    ended = first.model_copy(update={"faults": [fault("html", Reaction.ENDED)]})
    text = comparison_text(summarize([ended, *others]), width=120)
    assert "raised " in text
    assert "ended 1" in text
