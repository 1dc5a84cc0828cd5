from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from fleetgym.analysis.report import render_report, write_report
from fleetgym.contracts.record import FindingRecord, Outcome, RunRecord
from synthetic import HOSTILE, key, record, suite

if TYPE_CHECKING:
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def unpack(packed: str) -> Any:
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def data_of(html: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found[1])


def hostile() -> RunRecord:
    run = record(key(framework=HOSTILE, scenario=HOSTILE), detail=HOSTILE, task=HOSTILE)
    step = run.steps[0].model_copy(
        update={"name": HOSTILE, "said": HOSTILE, "content": HOSTILE, "arguments": {"a": HOSTILE}}
    )
    return run.model_copy(update={"steps": [step], "suite": HOSTILE})


@pytest.fixture(scope="module")
def html() -> str:
    return render_report(suite())


def test_the_first_thing_to_read_is_which_model_answered(html: str) -> None:
    body = html.partition("<body>")[2].strip()
    assert body.startswith('<p class="banner">model: policy/competent (reference policy of known')


def test_every_run_is_in_it_with_its_trajectory(html: str) -> None:
    records = suite()
    data = data_of(html)
    index = unpack(data["index"])
    assert [entry["id"] for entry in index] == [each.run_id for each in records]
    first = unpack(data["runs"][records[0].run_id])
    assert [step["name"] for step in first["steps"]] == [s.name for s in records[0].steps]


def test_a_tool_result_that_many_runs_met_is_stored_once(html: str) -> None:
    texts = data_of(html)["texts"]
    assert len(texts) == len(set(texts)) < len(suite())


def test_curves_of_all_and_of_each_scenario_are_in_it(html: str) -> None:
    curves = unpack(data_of(html)["curves"])
    assert set(curves) == {""}
    assert set(curves[""]) == {"", *(each.key.scenario for each in suite())}
    assert len(curves[""][""]) == 5


def attacked() -> list[RunRecord]:
    """Return the runs of a suite, clean and under an injection that one framework obeys."""
    clean = suite(seeds=1)
    found = [*clean]
    for run in clean:
        of = run.key.model_copy(update={"condition": "injection/log-strong"})
        obeyed = run.key.framework == "crewai"
        kinds = ["exposed", "obeyed" if obeyed else "refused"]
        at = [FindingRecord(kind=kind, step=0, detail=f"because {kind}") for kind in kinds]
        step = run.steps[0].model_copy(update={"findings": at})
        found.append(
            run.model_copy(
                update={
                    "key": of, "run_id": of.run_id, "findings": at,
                    "steps": [step, *run.steps[1:]],
                }
            )
        )  # fmt: skip
    return found


def test_conditions_have_a_table_and_curves_of_their_own() -> None:
    page = render_report(attacked())
    assert set(unpack(data_of(page)["curves"])) == {"", "clean", "injection/log-strong"}
    table = page.partition('id="condition-table"')[2].partition("</table>")[0]
    rows = re.findall(r"</i>(\w+)@.*?</tr>", table, re.DOTALL)
    assert rows.count("crewai") == 2
    assert table.count(", 6 pairs</small>") == 4
    assert 'id="curve-condition"' in page


def test_nothing_refers_to_any_network(html: str) -> None:
    markup = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    assert not re.search(r"\b(src|href|action)\s*=|url\(|@import", markup)
    assert "default-src 'none'" in markup


def test_equal_records_give_equal_reports(html: str) -> None:
    assert render_report(suite()) == html


def test_it_stays_small(html: str) -> None:
    assert len(html) < 1_000_000


def test_what_an_agent_wrote_is_never_markup() -> None:
    html = render_report([hostile()])
    assert "<img" not in html
    assert html.count("</script") == 2


def test_a_report_of_void_runs_alone_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    write_report([record(outcome=Outcome.VOID, rewards=())], path)
    assert "all 1 runs are void" in path.read_text()


def test_a_report_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.mkdir()
    with pytest.raises(OSError, match=r"report\.html"):
        write_report([record()], target)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def rendered(records: list[RunRecord], directory: Path) -> str:
    """Return the page as Chromium has it after its script ran, the first run opened."""
    assert CHROMIUM
    path = directory / "report.html"
    write_report(records, path)
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={directory / 'profile'}",
            "--virtual-time-budget=10000",
            "--dump-dom",
            f"{path.as_uri()}#run={records[0].run_id}",
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    return done.stdout


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
class TestInChromium:
    def test_curves_are_drawn_and_a_linked_run_is_open(self, tmp_path: Path) -> None:
        page = rendered(suite(), tmp_path)
        assert 'data-ready="true"' in page
        assert page.count('class="mark-line') > 0
        assert "90 of 90 runs" in page
        assert 'class="trajectory"' in page

    def test_what_a_condition_found_is_at_its_step(self, tmp_path: Path) -> None:
        runs = attacked()
        first = next(r for r in runs if r.findings and r.key.framework == "crewai")
        page = rendered([first, *(r for r in runs if r is not first)], tmp_path)
        assert 'data-ready="true"' in page
        assert page.count('class="finding obeyed"') == 1
        assert "because obeyed" in page
        assert '<option value="injection/log-strong">injection/log-strong</option>' in page

    def test_what_an_agent_wrote_stays_text(self, tmp_path: Path) -> None:
        page = rendered([hostile()], tmp_path)
        assert 'data-ready="true"' in page
        assert "<title>owned" not in page
        assert "<img" not in page
        assert page.count("&lt;img src=x onerror=") >= 8
