from __future__ import annotations

import json

from fleetgym_graders.detection import DetectionTruth


def test_a_truth_survives_json() -> None:
    truth = DetectionTruth(
        report_ids=frozenset({"r1"}),
        report_tags={"r1": frozenset({"cron", "linux"})},
        techniques=frozenset({"T1053.003"}),
        tables=frozenset({"DeviceProcessEvents"}),
        rows={"DeviceProcessEvents": frozenset({3, 1})},
        patterns={"FileName": "cron"},
        objective="Find it.",
    )
    assert DetectionTruth.from_json(json.loads(json.dumps(truth.to_json()))) == truth
