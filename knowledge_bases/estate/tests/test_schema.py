from __future__ import annotations

import pytest

from fleetgym_estate.schema import TABLES, TIME_COLUMN


def test_there_are_the_twelve_tables_of_the_reference() -> None:
    assert sorted(TABLES) == [
        "AADServicePrincipalSignInLogs",
        "AKSAudit",
        "AKSAuditAdmin",
        "AuditLogs",
        "AzureActivity",
        "AzureDiagnostics",
        "DeviceFileEvents",
        "DeviceProcessEvents",
        "MicrosoftGraphActivityLogs",
        "OfficeActivity",
        "SignInLogs",
        "StorageBlobLogs",
    ]


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_distinct_columns_and_its_time_among_them(table: str) -> None:
    types = {column.name: column.type for column in TABLES[table]}
    assert len(types) == len(TABLES[table])
    assert types[TIME_COLUMN[table]] == "TIMESTAMP"


@pytest.mark.parametrize(
    ("table", "column", "kind"),
    [
        pytest.param("AKSAudit", "User", "JSON", id="dynamic"),
        pytest.param("DeviceProcessEvents", "ProcessId", "BIGINT", id="long"),
        pytest.param("SignInLogs", "ResultType", "VARCHAR", id="codes-are-text"),
        pytest.param("SignInLogs", "IsInteractive", "BOOLEAN", id="bool"),
        pytest.param("StorageBlobLogs", "DurationMs", "DOUBLE", id="real"),
    ],
)
def test_columns_have_the_public_schemas_types(table: str, column: str, kind: str) -> None:
    assert {c.name: c.type for c in TABLES[table]}[column] == kind
