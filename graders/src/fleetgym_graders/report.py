"""The incident report: its form, and reading it strictly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleetgym.contracts.errors import ToolError
from fleetgym_graders.form import Form

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["RECORD_ID", "REPORT_SCHEMA", "read_report"]

RECORD_ID: Mapping[str, str] = {
    "AADServicePrincipalSignInLogs": "Id",
    "AKSAudit": "AuditId",
    "AKSAuditAdmin": "AuditId",
    "AuditLogs": "Id",
    "AzureActivity": "EventDataId",
    "AzureDiagnostics": "CorrelationId",
    "DeviceFileEvents": "ReportId",
    "DeviceProcessEvents": "ReportId",
    "MicrosoftGraphActivityLogs": "RequestId",
    "OfficeActivity": "SourceRecordId",
    "SignInLogs": "Id",
    "StorageBlobLogs": "CorrelationId",
}
"""The column of each table that rows are cited by, together with their time."""

_TIME = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|\+00:00)?$",
    "maxLength": 40,
    "description": "In UTC, for example 2026-03-04T05:06:07.123456Z.",
}


def _object(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _array(items: Mapping[str, Any], most: int, **more: object) -> dict[str, Any]:
    return {"type": "array", "items": items, "maxItems": most, **more}


_NAME = {"type": "string", "minLength": 1, "maxLength": 200}

REPORT_SCHEMA: Mapping[str, Any] = _object(
    verdicts=_array(
        _object(
            alert_id=_NAME,
            verdict={"enum": ["true_positive", "benign_positive", "false_positive"]},
            reason={
                "enum": [
                    "malicious_activity",
                    "approved_change",
                    "emergency_drill",
                    "sanctioned_scan",
                    "routine_work",
                    "incorrect_logic",
                    "inaccurate_data",
                ]
            },
        ),
        60,
    ),
    incident=_object(
        assets=_array(_NAME, 200),
        accounts=_array(_NAME, 200),
        stages=_array(
            _object(
                technique={"type": "string", "pattern": r"^[Tt]\d{4}(\.\d{3})?$"},
                time=_TIME,
                evidence=_array(
                    _object(
                        table={"enum": sorted(RECORD_ID)},
                        id={"type": "string", "pattern": r"^[A-Za-z0-9_.:-]{1,120}$"},
                        time=_TIME,
                    ),
                    20,
                    minItems=1,
                ),
            ),
            40,
        ),
    ),
)
"""JSON Schema of the report."""

_FORM = Form(REPORT_SCHEMA)


def read_report(answer: str) -> dict[str, Any]:
    """Return the report in an answer.

    Raises:
        ToolError: It does not fit :data:`REPORT_SCHEMA`, or decides an alert twice.
    """
    report = _FORM.read(answer)
    named = [verdict["alert_id"] for verdict in report["verdicts"]]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise ToolError(f"Each alert gets one verdict, but {twice[0]!r} has several.")
    return report
