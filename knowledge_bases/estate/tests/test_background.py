from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest

from fleetgym_estate.background import background
from fleetgym_estate.database import write
from fleetgym_estate.estate import Estate
from fleetgym_estate.estate_draw import draw_estate
from fleetgym_estate.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DIGEST = """
import hashlib, pathlib, sys, duckdb, numpy
from fleetgym_estate.background import background
from fleetgym_estate.database import write
from fleetgym_estate.estate_draw import draw_estate
path, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2])
write(path, background(draw_estate(seed), numpy.random.default_rng(seed), 6000), [])
digest = hashlib.sha256()
with duckdb.connect(path, read_only=True) as connection:
    for (name,) in sorted(connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()):
        for row in connection.execute(f'SELECT rowid, * FROM "{name}" ORDER BY rowid').fetchall():
            digest.update(repr(row).encode())
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def estate() -> Estate:
    return draw_estate(11)


@pytest.fixture(scope="module")
def life(
    estate: Estate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    path = tmp_path_factory.mktemp("db") / "t.duckdb"
    write(path, background(estate, np.random.default_rng(11)), [])
    with duckdb.connect(path, read_only=True) as connection:
        yield connection


def _rows(life: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return life.execute(query).fetchall()


def _count(life: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(_rows(life, f"SELECT count(*) FROM {query}")[0][0])


def test_there_are_at_least_24000_rows_in_twelve_tables(life: duckdb.DuckDBPyConnection) -> None:
    counts = {table: _count(life, f'"{table}"') for table in TABLES}
    assert sum(counts.values()) >= 24_000
    assert min(counts.values()) >= 500


def test_two_processes_write_the_same_rows(tmp_path: Path) -> None:
    digests = [
        subprocess.run(
            [sys.executable, "-c", DIGEST, str(tmp_path / f"{salt}.duckdb"), "21"],
            env=dict(os.environ, PYTHONHASHSEED=salt),
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for salt in ("1", "2")
    ]
    assert digests[0] == digests[1]
    assert len(digests[0]) == hashlib.sha256().digest_size * 2


def test_the_generator_alone_decides_what_happens_in_an_estate(estate: Estate) -> None:
    first, again, other = (background(estate, np.random.default_rng(n), 1000) for n in (1, 1, 2))
    for table in TABLES:
        for name, values in first[table].items():
            assert values.tolist() == again[table][name].tolist()
    times = "TimeGenerated"
    assert set(first["SignInLogs"][times]).isdisjoint(other["SignInLogs"][times])


@pytest.mark.parametrize("table", TABLES)
def test_all_rows_lie_within_the_window(
    estate: Estate, life: duckdb.DuckDBPyConnection, table: str
) -> None:
    time = "Timestamp" if table.startswith("Device") else "TimeGenerated"
    low, high = _rows(life, f'SELECT min("{time}"), max("{time}") FROM "{table}"')[0]
    assert estate.start <= low
    assert high < estate.end


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        pytest.param("DeviceProcessEvents", "DeviceName", "DeviceId", id="device"),
        pytest.param("SignInLogs", "UserPrincipalName", "UserId", id="user"),
        pytest.param("SignInLogs", "IPAddress", "Location", id="address"),
        pytest.param("SignInLogs", "AppDisplayName", "AppId", id="application"),
        pytest.param(
            "AADServicePrincipalSignInLogs", "AppId", "ServicePrincipalId", id="principal"
        ),
        pytest.param("OfficeActivity", "UserId", "UserKey", id="mailbox-user"),
        pytest.param("StorageBlobLogs", "AccountName", "_ResourceId", id="storage-account"),
        pytest.param("AzureActivity", "CorrelationId", "OperationNameValue", id="operation"),
    ],
)
def test_one_thing_has_one_id(
    life: duckdb.DuckDBPyConnection, table: str, key: str, value: str
) -> None:
    pairs = _rows(
        life, f'SELECT count(DISTINCT "{key}"), count(DISTINCT ("{key}", "{value}")) FROM {table}'
    )
    assert pairs[0][0] == pairs[0][1] > 1


def test_tables_agree_about_people_devices_and_applications(
    life: duckdb.DuckDBPyConnection,
) -> None:
    assert not _rows(
        life,
        "SELECT DISTINCT UserId FROM MicrosoftGraphActivityLogs WHERE UserId <> '' "
        "AND UserId NOT IN (SELECT UserId FROM SignInLogs)",
    )
    assert not _rows(
        life,
        "SELECT DISTINCT DeviceId FROM DeviceFileEvents EXCEPT "
        "SELECT DISTINCT DeviceId FROM DeviceProcessEvents",
    )
    assert not _rows(
        life,
        "SELECT AppId, ServicePrincipalId FROM MicrosoftGraphActivityLogs WHERE UserId = '' EXCEPT "
        "SELECT AppId, ServicePrincipalId FROM AADServicePrincipalSignInLogs",
    )
    assert not _rows(
        life,
        "SELECT RequesterUpn, RequesterObjectId FROM StorageBlobLogs WHERE RequesterUpn <> '' "
        "EXCEPT SELECT UserPrincipalName, UserId FROM SignInLogs",
    )


@pytest.mark.parametrize(
    ("query", "least"),
    [
        pytest.param(
            "MicrosoftGraphActivityLogs c JOIN AADServicePrincipalSignInLogs s "
            "ON c.SignInActivityId = s.UniqueTokenIdentifier "
            "WHERE c.AppId = s.AppId AND s.TimeGenerated <= c.TimeGenerated",
            300,
            id="call-and-sign-in",
        ),
        pytest.param(
            "AuditLogs a JOIN MicrosoftGraphActivityLogs c ON a.CorrelationId = c.RequestId "
            "WHERE (a.InitiatedBy->'app'->>'appId') = c.AppId "
            "AND a.TimeGenerated BETWEEN c.TimeGenerated AND c.TimeGenerated + INTERVAL 1 SECOND",
            40,
            id="change-and-call",
        ),
        pytest.param(
            "AuditLogs a JOIN AzureActivity o ON a.CorrelationId = o.CorrelationId "
            "WHERE (a.InitiatedBy->'user'->>'userPrincipalName') = o.Caller "
            "AND o.ActivityStatusValue = 'Start'",
            4,
            id="activation-and-assignment",
        ),
    ],
)
def test_rows_of_two_tables_tell_of_the_same_event(
    life: duckdb.DuckDBPyConnection, query: str, least: int
) -> None:
    assert _count(life, query) >= least


def test_a_file_is_touched_by_a_process_that_was_started(
    life: duckdb.DuckDBPyConnection,
) -> None:
    orphans = _count(
        life,
        "DeviceFileEvents f WHERE InitiatingProcessParentFileName NOT IN ('systemd', 'sshd') "
        "AND NOT EXISTS (FROM DeviceProcessEvents p WHERE p.DeviceId = f.DeviceId "
        "AND p.ProcessId = f.InitiatingProcessId "
        "AND p.ProcessCreationTime = f.InitiatingProcessCreationTime "
        "AND p.ProcessCommandLine = f.InitiatingProcessCommandLine)",
    )
    assert orphans == 0


def test_a_program_is_the_same_file_wherever_a_distribution_runs(
    life: duckdb.DuckDBPyConnection,
) -> None:
    query = (
        "SELECT max(n), count(*) FROM (SELECT count(DISTINCT SHA256) AS n FROM DeviceProcessEvents "
        "WHERE FolderPath LIKE '/usr/%' GROUP BY FolderPath)"
    )
    most, programs = _rows(life, query)[0]
    assert most <= 3
    assert programs > 30


def test_people_sign_in_by_day_and_schedules_never_sleep(
    life: duckdb.DuckDBPyConnection,
) -> None:
    night = _count(life, "SignInLogs WHERE Location = 'DE' AND hour(TimeGenerated) < 4")
    day = _count(life, "SignInLogs WHERE Location = 'DE' AND hour(TimeGenerated) BETWEEN 7 AND 10")
    assert night * 10 <= day
    hours = _rows(
        life,
        "SELECT count(DISTINCT hour(Timestamp)) FROM DeviceProcessEvents "
        "WHERE ProcessCommandLine LIKE '%cron.hourly%' AND minute(Timestamp) = 17",
    )
    assert hours == [(24,)]


def test_sign_ins_fail_now_and_then(life: duckdb.DuckDBPyConnection) -> None:
    failed = _count(life, "SignInLogs WHERE ResultType <> '0'") / _count(life, "SignInLogs")
    assert 0.03 < failed < 0.15


def test_a_cluster_sends_its_audit_to_one_table_and_reads_to_none_but_the_full(
    life: duckdb.DuckDBPyConnection,
) -> None:
    assert not _rows(
        life, "SELECT _ResourceId FROM AKSAudit INTERSECT SELECT _ResourceId FROM AKSAuditAdmin"
    )
    assert _count(life, "AKSAuditAdmin WHERE Verb IN ('get', 'list', 'watch')") == 0
    assert _count(life, "AKSAudit WHERE Verb IN ('get', 'list', 'watch')") > 1000


def test_an_operation_of_the_control_plane_begins_and_ends(
    life: duckdb.DuckDBPyConnection,
) -> None:
    assert _rows(
        life,
        "SELECT DISTINCT n, s FROM (SELECT count(*) AS n, count_if(ActivityStatusValue = 'Start') "
        "AS s FROM AzureActivity GROUP BY CorrelationId)",
    ) == [(2, 1)]


def test_dynamic_columns_hold_json_without_blanks_and_with_sorted_keys(
    life: duckdb.DuckDBPyConnection,
) -> None:
    for table, columns in TABLES.items():
        for column in columns:
            if column.type != "JSON":
                continue
            for (text,) in _rows(
                life, f'SELECT DISTINCT "{column.name}" FROM {table} WHERE "{column.name}" NOT NULL'
            ):
                again = json.dumps(
                    json.loads(text), ensure_ascii=False, separators=(",", ":"), sort_keys=True
                )
                assert text == again


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(
            "DeviceFileEvents WHERE FolderPath LIKE '/etc/cron.d/%' "
            "AND InitiatingProcessCommandLine LIKE '%AnsiballZ_cron.py'",
            id="cron-by-configuration-management",
        ),
        pytest.param(
            "DeviceFileEvents WHERE FolderPath LIKE '/var/spool/cron/crontabs/%' "
            "AND InitiatingProcessFileName = 'crontab'",
            id="cron-by-people",
        ),
        pytest.param(
            "DeviceFileEvents WHERE FolderPath LIKE '%/.ssh/authorized_keys' "
            "AND InitiatingProcessCommandLine LIKE '%cloud-init%'",
            id="authorized-keys-by-cloud-init",
        ),
        pytest.param(
            "DeviceFileEvents WHERE FolderPath LIKE '%/.ssh/authorized_keys' "
            "AND InitiatingProcessCommandLine LIKE '%authorized_key.py'",
            id="authorized-keys-by-ansible",
        ),
        pytest.param(
            "AKSAudit WHERE (ObjectRef->>'subresource') = 'exec' "
            "AND (User->>'username') LIKE '%@%'",
            id="kubectl-exec-by-people",
        ),
        pytest.param(
            "AKSAudit WHERE Verb = 'list' AND (ObjectRef->>'resource') = 'secrets' "
            "AND (User->>'username') LIKE 'system:serviceaccount:%'",
            id="secrets-listed-by-operators",
        ),
        pytest.param(
            "AKSAuditAdmin WHERE (ObjectRef->>'resource') = 'daemonsets' "
            "AND RequestObject LIKE '%\"privileged\":true%'",
            id="privileged-daemonsets",
        ),
        pytest.param(
            "AuditLogs WHERE OperationName LIKE '%Certificates and secrets%' "
            "AND (InitiatedBy->'app'->>'displayName') = 'secret-rotator'",
            id="credentials-rotated",
        ),
        pytest.param(
            "AzureActivity WHERE OperationNameValue LIKE '%LISTKEYS/ACTION' "
            "AND Caller NOT LIKE '%@%'",
            id="keys-listed-by-backup",
        ),
        pytest.param(
            "StorageBlobLogs WHERE OperationName = 'GetBlob' AND StatusCode = '206'",
            id="bulk-reads",
        ),
        pytest.param("OfficeActivity WHERE Operation = 'New-InboxRule'", id="inbox-rules"),
    ],
)
def test_ordinary_administration_looks_like_what_intruders_do(
    life: duckdb.DuckDBPyConnection, query: str
) -> None:
    assert _count(life, query) >= 3
