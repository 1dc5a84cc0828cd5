from __future__ import annotations

import ipaddress
import json
import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from fleetgym.contracts.errors import SpecError
from fleetgym.contracts.sandbox import Limits
from fleetgym_kb import attack, cti

if TYPE_CHECKING:
    from pathlib import Path

REPORTS = cti.load()
OURS = [report for report in REPORTS if not report.id.startswith("core-")]
DOCUMENTATION = [
    ipaddress.ip_network(net)
    for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "127.0.0.0/8", "0.0.0.0/32")
]
METADATA_SERVICE = "169.254.169.254"


def test_there_are_at_least_42_reports_beside_those_of_the_scenarios() -> None:
    assert len(OURS) >= 42


def test_every_technique_is_an_active_one_of_the_enterprise_matrix() -> None:
    known = {technique["id"] for technique in attack.techniques()}
    unknown = {r.id: set(r.techniques) - known for r in REPORTS if set(r.techniques) - known}
    assert unknown == {}


def test_each_platform_has_at_least_ten_reports() -> None:
    counts = Counter(platform for report in OURS for platform in report.platforms)
    assert {platform for platform, count in counts.items() if count >= 10} == {
        "linux",
        "aks",
        "azure",
    }


def test_the_tags_are_a_vocabulary_with_broad_and_narrow_words() -> None:
    counts = Counter(tag for report in REPORTS for tag in report.tags)
    assert len(counts) >= 50
    assert min(counts[tag] for tag in ("linux", "azure", "kubernetes", "persistence")) >= 8
    assert sum(1 for count in counts.values() if count == 1) >= 30


def test_the_reports_under_any_tag_fit_into_one_tool_result() -> None:
    records = [report.model_dump(mode="json") for report in REPORTS]
    sizes = {
        tag: len(json.dumps([r for r in records if tag in r["tags"]], indent=2).encode())
        for tag in {tag for report in REPORTS for tag in report.tags}
    }
    assert {tag: n for tag, n in sizes.items() if n > Limits().output_bytes} == {}


def test_titles_and_links_are_unique() -> None:
    assert len({report.title for report in REPORTS}) == len(REPORTS)
    assert len({report.link for report in REPORTS}) == len(REPORTS)


@pytest.mark.parametrize("report", OURS, ids=lambda report: report.id)
def test_a_report_has_250_to_600_words_and_ends_in_indicators(report: cti.Report) -> None:
    narrative, heading, indicators = report.content.partition("\n## Indicators\n")
    assert heading
    assert indicators.count("\n- ") >= 2
    assert 250 <= len(f"{narrative} {indicators}".split()) <= 600


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.id)
def test_every_address_and_hash_is_fictional_and_well_formed(report: cti.Report) -> None:
    found = set(re.findall(r"(?<![\d./])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)", report.content))
    real = {
        text
        for text in found - {METADATA_SERVICE}
        if not any(ipaddress.ip_address(text) in network for network in DOCUMENTATION)
    }
    assert real == set()
    urls = re.findall(r"https?://([a-z0-9.-]+)", report.content)
    assert [u for u in urls if not u.endswith(".example") and not re.fullmatch(r"[\d.]+", u)] == []
    assert "{{" not in report.content
    assert {len(digits) for digits in re.findall(r"\b[0-9a-f]{40,}\b", report.content)} <= {64}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("# no front matter", "starts with YAML", id="no front matter"),
        pytest.param("---\nid: [\n---\nx", "front matter is wrong", id="broken YAML"),
        pytest.param("---\nid: broken\n---\nx", "Field required", id="fields missing"),
    ],
)
def test_a_malformed_report_is_refused_by_name(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "broken.md"
    path.write_text(text)
    with pytest.raises(SpecError, match=complaint) as refused:
        cti.parse(path)
    assert str(refused.value).startswith("broken.md: ")


def test_passages_hold_the_whole_report_in_order() -> None:
    for report in REPORTS:
        joined = " ".join(cti.passages(report)).split()
        assert joined == report.content.split()


def test_a_heading_is_never_a_passage_of_its_own() -> None:
    lonely = [p for r in REPORTS for p in cti.passages(r) if re.fullmatch(r"#+ [^\n]*", p)]
    assert lonely == []
