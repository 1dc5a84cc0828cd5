from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from fleetgym.contracts.errors import SpecError
from fleetgym_estate.background import background
from fleetgym_estate.estate import Estate
from fleetgym_estate.estate_draw import draw_estate
from fleetgym_estate.rows import complete
from fleetgym_estate.schema import TABLES, TIME_COLUMN

# What a scenario says of a row. All other columns are filled.
SAID = {
    "AADServicePrincipalSignInLogs": ["TimeGenerated", "AppId", "ResourceDisplayName"],
    "AKSAudit": [
        *("TimeGenerated", "User", "Verb", "ObjectRef", "ResponseStatus", "RequestObject"),
        *("UserAgent", "RequestUri", "_ResourceId"),
    ],
    "AKSAuditAdmin": ["TimeGenerated", "User", "Verb", "ObjectRef", "RequestObject", "_ResourceId"],
    "AuditLogs": ["TimeGenerated", "OperationName", "InitiatedBy", "TargetResources"],
    "AzureActivity": [
        *("TimeGenerated", "OperationNameValue", "Caller", "ActivityStatusValue"),
        *("ResourceId", "CorrelationId"),
    ],
    "AzureDiagnostics": [
        *("TimeGenerated", "Category", "OperationName", "ResourceId", "id_s", "msg_s"),
        *("httpStatusCode_d", "identity_claim_oid_g", "identity_claim_upn_s"),
    ],
    "DeviceFileEvents": [
        *("Timestamp", "DeviceName", "ActionType", "FolderPath", "PreviousFolderPath"),
        *("InitiatingProcessFolderPath", "InitiatingProcessCommandLine"),
        *("InitiatingProcessAccountName", "InitiatingProcessParentFileName"),
    ],
    "DeviceProcessEvents": [
        *("Timestamp", "DeviceName", "FolderPath", "ProcessCommandLine", "AccountName"),
        *("InitiatingProcessFolderPath", "InitiatingProcessCommandLine"),
        *("InitiatingProcessAccountName", "InitiatingProcessParentFileName"),
    ],
    "MicrosoftGraphActivityLogs": [
        *("TimeGenerated", "AppId", "UserId", "RequestMethod", "RequestUri"),
        "ResponseStatusCode",
    ],
    "OfficeActivity": ["TimeGenerated", "UserId", "Operation", "Parameters"],
    "SignInLogs": ["TimeGenerated", "UserPrincipalName", "AppDisplayName", "ResultType"],
    "StorageBlobLogs": [
        *("TimeGenerated", "AccountName", "OperationName", "StatusCode", "Uri"),
        *("RequesterAppId", "RequesterUpn", "AuthenticationType"),
    ],
}
MANY = 40
"""Different values from which on only their shape is compared."""

Row = dict[str, Any]


@pytest.fixture(scope="module")
def estate() -> Estate:
    return draw_estate(17)


@pytest.fixture(scope="module")
def pairs(estate: Estate, life: dict[str, list[Row]]) -> dict[str, list[tuple[Row, Row]]]:
    """Return some rows of each table, each with what is made of what a scenario would say of it."""
    rng = np.random.default_rng(1)
    found: dict[str, list[tuple[Row, Row]]] = {}
    for table, rows in life.items():
        order: list[int] = rng.permutation(len(rows))[:150].tolist()
        sample = [rows[i] for i in order]
        found[table] = [
            (
                row,
                complete(
                    estate, rng, table, {n: row[n] for n in SAID[table] if row[n] is not None}
                ),
            )
            for row in sample
        ]
    return found


@pytest.fixture(scope="module")
def life(estate: Estate) -> dict[str, list[Row]]:
    made = background(estate, np.random.default_rng(17))
    return {
        table: [
            dict(zip(columns, row, strict=True))
            for row in zip(*(values.tolist() for values in columns.values()), strict=True)
        ]
        for table, columns in made.items()
    }


def _shape(value: Any) -> str:
    """Return ``value`` with letters, digits and their number rubbed out."""
    text = re.sub(
        r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<guid>", str(value)
    )
    text = re.sub(r"\b[0-9a-fA-F]{32,64}\b", lambda match: f"<hex {len(match[0])}>", text)
    return re.sub(r"[A-Za-z0-9_.@/\\ -]+", "x", text)


@pytest.mark.parametrize("table", TABLES)
def test_the_columns_that_are_filled_have_the_backgrounds_values(
    life: dict[str, list[Row]], pairs: dict[str, list[tuple[Row, Row]]], table: str
) -> None:
    made = [row for _, row in pairs[table]]
    strange: dict[str, list[Any]] = defaultdict(list)
    for column in TABLES[table]:
        usual = {row[column.name] for row in life[table]}
        found = {row[column.name] for row in made}
        if column.type in {"BIGINT", "DOUBLE"}:
            numbers = [value for value in usual if value is not None]
            low, high = min(numbers, default=0), max(numbers, default=0)
            room = 3 * (high - low)
            strange[column.name] = [
                v for v in found if v is not None and not low - room <= v <= high + room
            ]
        elif column.type != "TIMESTAMP" and column.name not in SAID[table]:
            if len(usual) > MANY:
                usual, found = {_shape(v) for v in usual}, {_shape(v) for v in found}
            strange[column.name] = sorted(map(str, found - usual))
    assert {name: values[:3] for name, values in strange.items() if values} == {}


@pytest.mark.parametrize("table", TABLES)
def test_a_filled_column_is_null_as_often_as_the_backgrounds(
    pairs: dict[str, list[tuple[Row, Row]]], table: str
) -> None:
    differences = {
        column.name: sum(
            (usual[column.name] is None) - (made[column.name] is None)
            for usual, made in pairs[table]
        )
        / len(pairs[table])
        for column in TABLES[table]
    }
    assert {name: share for name, share in differences.items() if abs(share) > 0.2} == {}


@pytest.mark.parametrize("table", TABLES)
def test_filled_times_lie_as_far_from_the_event_as_in_the_background(
    life: dict[str, list[Row]], pairs: dict[str, list[tuple[Row, Row]]], table: str
) -> None:
    made = [row for _, row in pairs[table]]
    event = TIME_COLUMN[table]
    for column in TABLES[table]:
        if column.type != "TIMESTAMP":
            continue
        usual, found = (
            [row[event] - row[column.name] for row in rows if row[column.name] is not None]
            for rows in (life[table], made)
        )
        room = 2 * (max(usual) - min(usual))
        assert min(usual) - room <= min(found) <= max(found) <= max(usual) + room, column.name


FOLLOWS = {
    "AADServicePrincipalSignInLogs": [
        *("ServicePrincipalId", "ServicePrincipalName", "ServicePrincipalCredentialKeyId"),
        *("ResourceIdentity", "ResourceServicePrincipalId", "TenantId"),
    ],
    "AKSAudit": ["Level", "SourceIps", "Annotations", "PodName", "_SubscriptionId"],
    "AKSAuditAdmin": ["Level", "SourceIps", "Annotations", "PodName", "UserAgent"],
    "AuditLogs": ["Identity", "AdditionalDetails", "Category", "LoggedByService", "AADTenantId"],
    "AzureActivity": [
        *("Authorization", "CallerIpAddress", "Claims_d", "Hierarchy", "OperationName"),
        *("Properties", "Resource", "ResourceGroup", "SubscriptionId", "_ResourceId"),
    ],
    "AzureDiagnostics": ["Resource", "ResultSignature", "requestUri_s", "isRbacAuthorized_b"],
    "DeviceFileEvents": ["DeviceId", "ReportId", "SHA256", "InitiatingProcessSHA256", "FileName"],
    "DeviceProcessEvents": ["DeviceId", "ReportId", "SHA256", "ProcessId", "FileName", "LogonId"],
    "MicrosoftGraphActivityLogs": ["ServicePrincipalId", "Roles", "Scopes", "Wids", "UserAgent"],
    "OfficeActivity": ["RecordType", "OfficeWorkload", "MailboxGuid", "UserKey", "LogonUserSid"],
    "SignInLogs": ["UserId", "UserDisplayName", "AppId", "ResourceIdentity", "ResultDescription"],
    "StorageBlobLogs": [
        *("ObjectKey", "RequesterObjectId", "StatusText", "Location", "AuthorizationDetails"),
        *("AuthenticationHash", "Category", "_ResourceId"),
    ],
}


@pytest.mark.parametrize("table", TABLES)
def test_what_follows_from_what_is_said_is_as_in_the_background(
    pairs: dict[str, list[tuple[Row, Row]]], table: str
) -> None:
    for name in FOLLOWS[table]:
        assert [made[name] for _, made in pairs[table]] == [row[name] for row, _ in pairs[table]]


@pytest.mark.parametrize("table", TABLES)
def test_a_complete_row_stays_as_it_is(
    estate: Estate, life: dict[str, list[Row]], table: str
) -> None:
    for row in life[table][::200]:
        assert complete(estate, np.random.default_rng(0), table, row) == row


@pytest.mark.parametrize("table", TABLES)
def test_a_row_of_which_nothing_is_said_has_all_columns_and_a_time(
    estate: Estate, table: str
) -> None:
    row = complete(estate, np.random.default_rng(0), table, {})
    assert list(row) == [column.name for column in TABLES[table]]
    assert estate.start <= row[TIME_COLUMN[table]] < estate.end


def test_an_object_that_is_given_in_part_is_completed(estate: Estate) -> None:
    namespace = "payments"
    row = complete(
        estate,
        np.random.default_rng(0),
        "AKSAudit",
        {
            "User": {"username": f"system:serviceaccount:{namespace}:worker"},
            "ObjectRef": {"resource": "pods", "subresource": "exec", "name": "a-b-c"},
            "Verb": "create",
            "Annotations": {"audit.example/note": "kept"},
        },
    )
    assert f"system:serviceaccounts:{namespace}" in json.loads(row["User"])["groups"]
    assert json.loads(row["ObjectRef"])["apiVersion"] == "v1"
    assert json.loads(row["ResponseStatus"])["code"] == 101
    notes = json.loads(row["Annotations"])
    assert notes["audit.example/note"] == "kept"
    assert notes["authorization.k8s.io/decision"] == "allow"


def test_the_actor_of_a_directory_change_is_completed_from_a_name(estate: Estate) -> None:
    who = estate.employees[3]
    row = complete(
        estate,
        np.random.default_rng(0),
        "AuditLogs",
        {"InitiatedBy": {"user": {"userPrincipalName": who.upn, "ipAddress": "46.1.2.3"}}},
    )
    user = json.loads(row["InitiatedBy"])["user"]
    assert (user["id"], user["displayName"]) == (who.object_id, who.display_name)
    assert user["ipAddress"] == "46.1.2.3"
    assert row["Identity"] == who.display_name


def test_text_and_object_of_an_activity_are_the_same(estate: Estate) -> None:
    row = complete(
        estate,
        np.random.default_rng(0),
        "AzureActivity",
        {"Properties_d": {"requestbody": '{"properties":{}}'}},
    )
    assert row["Properties"] == row["Properties_d"]
    assert "requestbody" in json.loads(row["Properties"])


def test_an_address_that_nobody_uses_gets_a_place_and_an_unknown_device(estate: Estate) -> None:
    rng = np.random.default_rng(0)
    (address,) = estate.outside_ips(rng, 1)
    row = complete(
        estate,
        rng,
        "SignInLogs",
        {
            "UserPrincipalName": estate.employees[0].upn,
            "IPAddress": address,
            "Location": "NL",
            "UserAgent": "python-requests/2.31.0",
        },
    )
    assert json.loads(row["LocationDetails"])["countryOrRegion"] == "NL"
    assert json.loads(row["DeviceDetail"])["deviceId"] == ""
    assert row["UserId"] == estate.employees[0].object_id


@pytest.mark.parametrize(
    ("table", "digits"),
    [
        pytest.param("SignInLogs", True, id="microseconds"),
        pytest.param("OfficeActivity", False, id="seconds"),
    ],
)
def test_a_time_gets_the_digits_that_its_table_records(
    estate: Estate, table: str, digits: bool
) -> None:
    noon = estate.start + timedelta(hours=12)
    row = complete(estate, np.random.default_rng(0), table, {"TimeGenerated": noon})
    assert row["TimeGenerated"].replace(microsecond=0) == noon
    assert (row["TimeGenerated"].microsecond > 0) is digits


def test_a_time_with_a_zone_is_written_in_utc(estate: Estate) -> None:
    at = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
    row = complete(estate, np.random.default_rng(0), "AuditLogs", {"TimeGenerated": at})
    assert row["TimeGenerated"] == at.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("table", "values", "message"),
    [
        pytest.param(
            "SignInLogs", {"Colour": "red"}, "SignInLogs has no column 'Colour'", id="column"
        ),
        pytest.param(
            "DeviceProcessEvents",
            {"DeviceName": "elsewhere"},
            "device 'elsewhere', which the estate does not have",
            id="device",
        ),
        pytest.param(
            "AKSAudit",
            {"_ResourceId": "/subscriptions/x"},
            "'/subscriptions/x', which does not send its audit there",
            id="cluster",
        ),
    ],
)
def test_what_the_estate_does_not_have_is_refused(
    estate: Estate, table: str, values: Row, message: str
) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        complete(estate, np.random.default_rng(0), table, values)


def test_a_table_that_does_not_exist_is_refused(estate: Estate) -> None:
    with pytest.raises(SpecError, match="no table 'Nowhere'"):
        complete(estate, np.random.default_rng(0), "Nowhere", {})
