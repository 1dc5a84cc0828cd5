"""Whether `cti/compat` scores as the reference: `python benchmarks/compat_agreement.py PYTHON`.

PYTHON is the interpreter of an environment with `inspect_evals` (0.26.0), whose own scoring
functions are asked about random transcripts; so is our grader, and every difference is printed.
Compared are the four parts that need no judge. Transcripts are left out on which the reference
fails, and those whose model wrote a text of its own just before the answer, which the two put
together differently (see :mod:`fleetgym_graders.compat`). Takes half a minute.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

TECHNIQUES = (
    "T1053.003", "t1053.003", "T1053", "T1105", "xT1105y", "T11055", "T1059.004", "T1059.04",
    "attack.t1105", "T 1105", "T1548.0011",
)  # fmt: skip
TABLES = ("DeviceProcessEvents", "deviceprocessevents", "AKSAudit", "SignInLogs", " AKSAudit")
QUERIES = ("A | take 1", "a  |  take 1", "A\n| take 1", "AKSAudit | count", "B", " B ")
COLUMNS = ("FileName", "filename", "AccountName", "ProcessId", "Extra", "Timestamp")
VALUES: tuple[Any, ...] = (
    "wget", "WGET", "svc-web", "svc", "1", 1, 1.0, 1.5, True, None, "", "a b ", "ü", "x\ny",
    {"a": 1}, [1, 2], "2026-01-02T03:04:05Z", 0, False, "None", "true", '{"a": 1}',
)  # fmt: skip
PATTERNS = ("^wget$", "(?i)wget", "svc-.*", "1", "None", "[", "", "a", " $", "True", r"\{'a'")
TOOLS = (
    "get_table_schema", "sample_table_data", "execute_kql_query", "execute_kql_query",
    "get_cti_reports_by_tag", "search_sigma_rules",
)  # fmt: skip
NO_ROWS = (
    "Error: no", '{"Tables": [', "", "null", "3", '[1, "x", null]', '{"Tables": []}',
    '{"Tables": [{"Rows": [[1]]}]}', '{"other": 1}',
    '{"Tables": [{"Rows": [[1, 2]], "Columns": [{"ColumnName": "FileName"}]}]}',
)  # fmt: skip
NO_ANSWERS = ("{}", "[]", "[1]", '"x"', "5", "null", "no json", '{"unrelated": 1}', "{'kql_query'")


@dataclass
class Writer:
    """Writes transcripts."""

    draw: random.Random

    def transcript(self) -> dict[str, Any]:
        """Return one: turns of the model with their calls and results, an answer, a truth."""
        seen: list[dict[str, Any]] = []
        turns = [self._turn(seen) for _ in range(self.draw.randint(0, 6))]
        return {
            "turns": turns,
            "said": self._said(),
            "answer": self._answer(seen),
            "techniques": self.draw.sample(["T1053.003", "T1053", "T1105", "T1059.004"], 2),
            "tables": self.draw.sample(["DeviceProcessEvents", "AKSAudit", "SignInLogs"], 2),
            "patterns": {
                column: self.draw.choice(PATTERNS)
                for column in self.draw.sample(COLUMNS, self.draw.randint(0, 3))
            },
        }

    def _turn(self, seen: list[dict[str, Any]]) -> dict[str, Any]:
        calls: list[dict[str, Any]] = []
        for _ in range(self.draw.choice((0, 1, 1, 1, 2))):
            name = self.draw.choice(TOOLS)
            table = {"table_name": self.draw.choice(TABLES)}
            query = {"query": self.draw.choice(QUERIES)}
            arguments = table if "table" in name else query if "kql" in name else {"tag": "linux"}
            content, rows = self._response()
            seen += rows if "kql" in name else []
            arguments = {} if self.draw.random() < 0.05 else arguments
            calls.append({"name": name, "arguments": arguments, "content": content})
        return {"said": self._said(), "calls": calls}

    def _said(self) -> str:
        named = f"I think {self.draw.choice(TECHNIQUES)} and {self.draw.choice(TECHNIQUES)}"
        return self.draw.choice(("", "", named, "nothing", "```json\n{}\n```"))

    def _row(self) -> dict[str, Any]:
        columns = self.draw.sample(COLUMNS, self.draw.randint(0, 4))
        return {column: self.draw.choice(VALUES) for column in columns}

    def _response(self) -> tuple[str, list[dict[str, Any]]]:
        if self.draw.random() < 0.3:
            return self.draw.choice(NO_ROWS), []
        if self.draw.random() < 0.15:
            bare = [self._row() for _ in range(self.draw.randint(0, 2))]
            return json.dumps(bare), bare
        columns = self.draw.sample(COLUMNS, self.draw.randint(1, 4))
        rows = [[self.draw.choice(VALUES) for _ in columns] for _ in range(self.draw.randint(0, 3))]
        heads = [{"ColumnName": column, "DataType": "String"} for column in columns]
        table = {"TableName": "T", "Columns": heads, "Rows": rows}
        return json.dumps({"Tables": [table]}), [
            dict(zip(columns, row, strict=True)) for row in rows
        ]

    def _submitted(self, seen: list[dict[str, Any]]) -> dict[str, Any]:
        row = dict(self.draw.choice(seen)) if seen and self.draw.random() < 0.8 else self._row()
        if row and self.draw.random() < 0.3:
            row.pop(self.draw.choice(list(row)))
        if self.draw.random() < 0.2:
            row["Invented"] = self.draw.choice(VALUES)
        if self.draw.random() < 0.2:
            row = {name.upper(): str(value) for name, value in row.items()}
        return row

    def _answer(self, seen: list[dict[str, Any]]) -> str:
        rows = [self._submitted(seen) for _ in range(self.draw.randint(0, 3))]
        technique = self.draw.choice(TECHNIQUES).lower()
        fields: dict[str, Any] = {
            "sigma_rule": f"title: x\ntags:\n  - attack.{technique}\n",
            "kql_query": self.draw.choice(QUERIES),
            "query_results": rows,
        }
        if self.draw.random() < 0.15:
            fields.pop(self.draw.choice(list(fields)))
        if self.draw.random() < 0.15:
            odd: tuple[Any, ...] = (json.dumps(rows), None, {}, "x", 5, "[", [])
            fields["query_results"] = self.draw.choice(odd)
        text = json.dumps(fields, ensure_ascii=self.draw.random() < 0.5)
        listed = json.dumps(rows)
        tail = self.draw.choice((",", "}", "", "  ", "\n}"))
        forms = (
            text, text, text, text,
            f"```json\n{json.dumps(fields, indent=2)}\n```",
            f"Here it is:\n{text}\nThat is all {technique}",
            f"text\n```json\n{text}\n```\nmore",
            text[:-1],
            text.replace('"', "'"),
            f'"query_results": {listed}{tail}',
            f'"query_results": {listed}{tail} "sigma_rule": "a \\"b\\" \\n c"',
            self.draw.choice(NO_ANSWERS),
        )  # fmt: skip
        return self.draw.choice(forms)


def ours(transcripts: list[dict[str, Any]]) -> list[list[float]]:
    """Return our grader's C1, C2, C3 and the part for results."""
    from fleetgym.contracts.scoring import Step  # noqa: PLC0415 - the reference has no fleetgym
    from fleetgym.contracts.tools import ToolCall, ToolResult  # noqa: PLC0415
    from fleetgym_graders.compat import CompatGrader  # noqa: PLC0415
    from fleetgym_graders.detection import DetectionTruth  # noqa: PLC0415

    found: list[list[float]] = []
    for one in transcripts:
        steps: list[Step] = []
        waiting: list[str] = []
        for turn in one["turns"]:
            waiting.append(turn["said"])
            for call in turn["calls"]:
                said, waiting = "\n".join(waiting), []
                asked = ToolCall(call["name"], call["arguments"])
                steps.append(Step(call=asked, result=ToolResult(call["content"]), said=said))
        said = "\n".join([*waiting, one["said"]])
        submit = ToolCall("submit", {"answer": one["answer"]})
        steps.append(Step(call=submit, result=ToolResult("done"), said=said))
        truth = DetectionTruth(
            report_ids=frozenset(),
            report_tags={},
            techniques=frozenset(one["techniques"]),
            tables=frozenset(one["tables"]),
            rows={},
            patterns=one["patterns"],
        )
        parts = CompatGrader().checkpoints(truth)[1:5]
        found.append([part.reached(steps) for part in parts])
    return found


REFERENCE = """
import json, logging, sys, types
logging.disable(logging.CRITICAL)
from inspect_ai.model import ChatMessageAssistant, ChatMessageTool, ChatMessageUser
from inspect_ai.tool import ToolCall
from inspect_evals.cti_realm.core import scorer, trajectory_scorer
from inspect_evals.cti_realm.core.parsing_utils import parse_model_output
found = []
for one in json.load(sys.stdin):
    messages, number = [ChatMessageUser(content="x")], 0
    for turn in one["turns"]:
        calls, results = [], []
        for call in turn["calls"]:
            number += 1
            calls.append(
                ToolCall(id=f"c{number}", function=call["name"], arguments=call["arguments"])
            )
            results.append(ChatMessageTool(
                content=call["content"], tool_call_id=f"c{number}", function=call["name"]
            ))
        messages += [ChatMessageAssistant(content=turn["said"], tool_calls=calls or None), *results]
    text = f"{one['said']}\\n\\n{one['answer']}".strip()
    submit = ToolCall(id="s", function="submit", arguments={"answer": one["answer"]})
    messages.append(ChatMessageAssistant(content=text, tool_calls=[submit]))
    output = types.SimpleNamespace(completion=text)
    state = types.SimpleNamespace(
        messages=messages, sample_id="s", epoch=1, output=output, input_text="x"
    )
    predicted = parse_model_output(text)
    if not predicted:
        found.append([0.0] * 4)
        continue
    parts = []
    for detect, expected in (
        (trajectory_scorer._detect_threat_context, one["techniques"]),
        (trajectory_scorer._detect_data_exploration, one["tables"]),
    ):
        said = detect(state, expected)
        parts.append(said["jaccard_score"] if said["achieved"] else 0.0)
    parts.append(float(trajectory_scorer._detect_query_execution(state)["achieved"]))
    sample = {"ground_truth": {"regex_patterns": one["patterns"]}}
    try:
        parts.append(scorer._score_kql_development(predicted, sample, "s", state))
    except Exception:
        parts = None
    found.append(parts)
print(json.dumps(found))
"""


def main() -> None:
    """Compare, print differences and how many there were; fail if there was any."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("python")
    parser.add_argument("--transcripts", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    writer = Writer(random.Random(options.seed))
    written = [writer.transcript() for _ in range(options.transcripts)]
    fit = [one for one in written if not one["turns"] or one["turns"][-1]["calls"]]
    asked = subprocess.run(
        [options.python, "-c", REFERENCE],
        input=json.dumps(fit), capture_output=True, text=True, check=True,
    )  # fmt: skip
    theirs = json.loads(asked.stdout.splitlines()[-1])
    compared = [
        (one, expected, found)
        for one, expected, found in zip(fit, theirs, ours(fit), strict=True)
        if expected is not None
    ]
    different = 0
    for one, expected, found in compared:
        if any(abs(a - b) > 1e-9 for a, b in zip(expected, found, strict=True)):
            different += 1
            print(f"reference {expected}, ours {found}: {json.dumps(one)}")
    above = [sum(expected[part] > 0 for _, expected, _ in compared) for part in range(4)]
    print(f"{len(compared)} transcripts, {different} different; above 0 in the four parts: {above}")
    sys.exit(different > 0)


if __name__ == "__main__":
    main()
