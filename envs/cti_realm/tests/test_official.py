"""The published data set's layout, with contents of our own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import gymnasium
import pytest

from fleetgym.contracts.errors import SpecError, UnknownName
from fleetgym.records.store import scan
from fleetgym_env_cti_realm.instance import DATABASE
from fleetgym_env_cti_realm.official import generate, scenarios, telemetry

sys.path.insert(0, str(Path(__file__).parent))

from official_set import ANSWER, PATTERNS, QUERIES, write_set

if TYPE_CHECKING:
    from collections.abc import Iterator

ENV = "fleetgym/CtiRealm-v1"
SAMPLE = "official-25/linux-1"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETGYM_HOME", str(tmp_path / "home"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_set(tmp_path / "set" / "cti_realm")
    return tmp_path / "set"


def calls() -> Iterator[dict[str, Any]]:
    yield {"name": "get_cti_reports_by_tag", "arguments": {"tag": "linux"}}
    yield {"name": "get_table_schema", "arguments": {"table_name": "DeviceProcessEvents"}}
    for query in QUERIES:
        yield {"name": "execute_kql_query", "arguments": {"query": query}}
    answer = {**ANSWER, "note": "T1105, T1053.003"}
    yield {"name": "submit", "arguments": {"answer": json.dumps(answer)}}


def test_a_sample_is_played_with_the_references_tools_and_graded_as_it_grades(data: Path) -> None:
    env = gymnasium.make(ENV, scenario=SAMPLE, data=data, sandbox="none")
    first, _ = env.reset(seed=5)
    seen = [env.step(call) for call in calls()]
    env.close()

    assert first["content"] == "DETECTION OBJECTIVE:\nDetect wget (T1105)."
    assert not any(observation["is_error"] for observation, *_ in seen)
    report, schema, rows = (json.loads(observation["content"]) for observation, *_ in seen[:3])
    assert [(r["title"], r["id"]) for r in report] == [("A report", "7")]
    columns = {row[0]: row[-1] for row in schema["Tables"][0]["Rows"]}
    assert columns == {
        "Timestamp": "datetime", "AccountName": "string", "ProcessId": "long",
        "FileName": "string", "Additional_Fields": "dynamic",
    }  # fmt: skip
    assert len(rows["Tables"][0]["Rows"]) == 1
    # Techniques, tables, queries and results in full; the two parts of the judge are not there.
    assert seen[-1][4]["score"] == pytest.approx(0.075 + 0.1 + 0.05 + 0.5)
    assert {"search_cti_reports", "execute_sql_query"}.isdisjoint(env.unwrapped.tools)  # type: ignore[attr-defined]


def test_both_layouts_and_all_selections_are_found(tmp_path: Path) -> None:
    write_set(tmp_path / "own", telemetry="docker/kusto_init/data", sets=("25", "50"))
    found = scenarios(tmp_path / "own")
    assert [scenario.id for scenario in found] == [
        "official-25/linux-1", "official-25/2", "official-50/linux-1", "official-50/2",
    ]  # fmt: skip
    assert found[1].prompt.endswith("Detect {braces}.")
    assert found[0].memory == "# workflow\n\n# tool_tips\n\n# patterns"


def test_every_seed_has_the_same_telemetry_and_other_data_are_another_version(
    data: Path, tmp_path: Path
) -> None:
    before = scenarios(data)[0]
    made = [tmp_path / "1", tmp_path / "2"]
    for place in made:
        place.mkdir()
        _, truth = generate(before, place)
        assert truth.patterns == PATTERNS
    assert (made[0] / DATABASE).samefile(made[1] / DATABASE)

    other = tmp_path / "other"
    write_set(other)
    with (other / "kusto_data" / "aksaudit.jsonl").open("a") as file:
        file.write('{"TimeGenerated": "2026-01-03T00:00:00Z"}\n')
    after = scenarios(other)[0]
    assert after.id == before.id
    assert after.version != before.version


def test_values_that_do_not_fit_their_column_are_null(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    records: list[dict[str, Any]] = [{"a b": 1, "[t].x": "2026-01-01T00:00:00.1234567Z", "1": True}]
    records += [{"a b": 2.0}] * 9
    records += [{"a b": "x", "[t].x": "soon", "1": "no"}, {"a b": 7, "1": "false", "new": 1}]
    file.write_text("\n".join(map(json.dumps, records)))
    telemetry.write({"T": file}, tmp_path / "t.duckdb")
    with duckdb.connect(str(tmp_path / "t.duckdb")) as database:
        columns = database.execute("SELECT * FROM T").fetchall()
        types = [str(column[1]) for column in database.description]
        names = [column[0] for column in database.description]
    assert names == ["a_b", "t_x", "Field_1"]
    assert types == ["DOUBLE", "TIMESTAMP", "BOOLEAN"]
    assert str(columns[0][1]) == "2026-01-01 00:00:00.123456"
    assert columns[-2:] == [(None, None, None), (7.0, None, False)]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("kusto_data/aksaudit.jsonl", None, "is not whole: 1 files are missing"),
        ("data/dataset_answers_stratified_25.jsonl", None, "is not whole"),
        ("data/dataset_samples_stratified_25.jsonl", "", "there is no line for the sample"),
        ("data/dataset_samples_stratified_25.jsonl", "\n{", r"stratified_25.jsonl:2: it is not JS"),
        ("data/dataset_answers_stratified_25.jsonl", '{"id": 1}', r":1: detection_description: "),
        ("data/dataset_answers_stratified_25.jsonl", "[1]", ":1: it is no JSON object"),
    ],
)
def test_a_broken_set_is_told_with_the_place(
    data: Path, file: str, text: str | None, said: str
) -> None:
    path = data / "cti_realm" / file
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(SpecError, match=said):
        scenarios(data)


def test_what_a_sample_has_not_is_told(data: Path) -> None:
    with pytest.raises(UnknownName, match="cti/compat"):
        gymnasium.make(ENV, scenario=SAMPLE, data=data, sandbox="none", grader="cti/strict")
    done = command("list", "scenarios", "--data", data / "cti_realm" / "data")
    assert done.returncode != 0
    assert "holds no CTI-REALM data set" in done.stderr


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fleetgym.cli", *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "OPENAI_API_KEY": "none"},
    )  # fmt: skip


class _Model(BaseHTTPRequestHandler):
    """Answers the nth request with the nth call."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        done = sum(message["role"] == "tool" for message in body["messages"])
        asked = [*calls()][done : done + 1]
        message: dict[str, Any] = {"role": "assistant", "content": "Done."}
        if asked:
            arguments = json.dumps(asked[0]["arguments"])
            function = {"name": asked[0]["name"], "arguments": arguments}
            call = {"id": f"c{done}", "type": "function", "function": function}
            message |= {"content": None, "tool_calls": [call]}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        answer = json.dumps(
            {
                "id": "x", "object": "chat.completion", "created": 0, "model": "m",
                "choices": [choice],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }
        ).encode()  # fmt: skip
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's
        """Say nothing."""


@pytest.mark.frameworks
def test_a_framework_plays_the_set_with_a_providers_model_and_not_with_a_policy(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the frameworks are in the state directory
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        "name: official\nframeworks: [langgraph]\nscenarios: ['official-25/linux-*']\n"
        "models: [policy/expert]\nseeds: 0\nreference: true\n"
    )
    refused = command("run", suite, "--data", data, "--out", tmp_path / "runs")
    assert refused.returncode != 0
    assert "has no expert" in refused.stderr

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    done = command(
        "run", suite, "--data", data, "--out", tmp_path / "runs", "--base-url", url, "--model", "m"
    )
    server.shutdown()
    server.server_close()

    assert done.returncode == 0, done.stderr
    (record,) = scan(tmp_path / "runs").records
    assert record.score is not None
    assert record.score.value == pytest.approx(0.725)
    assert record.key.scenario_version == scenarios(data)[0].version
