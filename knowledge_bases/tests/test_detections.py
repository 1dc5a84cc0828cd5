from __future__ import annotations

from sigma.rule import SigmaRule

from fleetgym_kb import attack, detections

FILES = sorted(detections.RULES.rglob("*.yml"))
RULES = [SigmaRule.from_yaml(path.read_text()) for path in FILES]


def test_there_are_at_least_forty_rules_over_ten_log_sources() -> None:
    assert len(RULES) >= 40
    sources = {(r.logsource.product, r.logsource.category or r.logsource.service) for r in RULES}
    assert sources == {
        ("linux", "process_creation"),
        ("linux", "file_event"),
        ("kubernetes", "audit"),
        ("azure", "activitylogs"),
        ("azure", "auditlogs"),
        ("azure", "signinlogs"),
        ("azure", "serviceprincipalsigninlogs"),
        ("azure", "microsoftgraphactivitylogs"),
        ("azure", "storage"),
        ("m365", "exchange"),
    }


def test_every_rule_parses_without_errors_down_to_its_condition() -> None:
    assert [path.name for path, rule in zip(FILES, RULES, strict=True) if rule.errors] == []
    assert all(condition.parsed for rule in RULES for condition in rule.detection.parsed_condition)


def test_ids_and_titles_are_unique() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert len({rule.title for rule in RULES}) == len(RULES)


def test_every_tag_is_a_tactic_or_technique_of_attack() -> None:
    techniques = attack.techniques()
    known = {t["id"].lower() for t in techniques} | {x for t in techniques for x in t["tactics"]}
    assert {tag.name for rule in RULES for tag in rule.tags} <= known
    assert all(any(tag.name.startswith("t1") for tag in rule.tags) for rule in RULES)


def test_a_record_sums_up_its_rule() -> None:
    record = next(r for r in detections.load() if r["path"].endswith("preload_file_written.yml"))
    assert record == {
        "title": "Global Preload File Written",
        "description": (
            "The list of libraries that the dynamic loader puts into each process is created or "
            "changed."
        ),
        "techniques": ["T1574.006"],
        "platform": "linux",
        "logsource": {"product": "linux", "category": "file_event"},
        "detection_snippet": (
            "selection:\n  TargetFilename: /etc/ld.so.preload\nfilter_package:\n"
            "  Image|endswith:\n  - /dpkg\n  - /rpm\ncondition: selection and not filter_package\n"
        ),
        "path": "linux/file_event/preload_file_written.yml",
        "url": "https://rules.fleetgym.example/linux/file_event/preload_file_written.yml",
    }
