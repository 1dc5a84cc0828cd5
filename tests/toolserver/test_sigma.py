"""Sigma rules, parsed, validated and executed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from fleetgym.contracts.errors import ToolError
from fleetgym.contracts.sandbox import Limits
from fleetgym.toolserver.query_engine import QueryEngine
from fleetgym.toolserver.sigma import parse

PROCESSES = [
    # host, image, command line, user, pid, parent, extra
    ("web-1", "/usr/bin/curl", "curl http://x.example/a_b", "root", 10, "/bin/bash", None),
    ("web-1", "/usr/bin/CURL", "CURL -o 100%", "www", 11, "/bin/sh", '{"a": 1}'),
    ("db", "/usr/bin/wget", "wget aXb \\x", None, 12, None, '{"a": {"b": ["x", "y"]}}'),
]
POD = json.dumps(
    {
        "spec": {
            "containers": [
                {"image": "a"},
                {"image": "evil/x", "securityContext": {"privileged": True}},
            ],
            "volumes": [{"hostPath": {"path": "/"}}],
        }
    }
)
REQUESTS = [
    (
        "create",
        '{"username": "system:serviceaccount:a:b", "groups": ["g", "system:masters"]}',
        '["10.1.2.3"]',
        '{"resource": "pods", "subresource": "exec"}',
        '{"code": 201}',
        POD,
        '{"authorization.k8s.io/decision": "allow"}',
    ),
    (
        "get",
        '{"username": "u"}',
        '["192.168.0.9", "172.16.0.1"]',
        '{"resource": "secrets"}',
        '{"code": 403}',
        None,
        "{}",
    ),
]
LINUX = "{product: linux, category: process_creation}"
KUBERNETES = "{product: kubernetes, service: audit}"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> QueryEngine:
    path = tmp_path_factory.mktemp("sigma") / "telemetry.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE DeviceProcessEvents (DeviceName VARCHAR, FolderPath VARCHAR, "
            "ProcessCommandLine VARCHAR, AccountName VARCHAR, ProcessId BIGINT, "
            "InitiatingProcessFolderPath VARCHAR, AdditionalFields JSON)"
        )
        connection.executemany(
            "INSERT INTO DeviceProcessEvents VALUES (?, ?, ?, ?, ?, ?, ?)", PROCESSES
        )
        connection.execute(
            "CREATE TABLE DeviceFileEvents AS SELECT '/etc/cron.d/x' AS FolderPath, "
            "unnest(['FileCreated', 'FileDeleted']) AS ActionType"
        )
        for table in ("AKSAudit", "AKSAuditAdmin"):
            connection.execute(
                f'CREATE TABLE {table} (Verb VARCHAR, "User" JSON, SourceIps JSON, ObjectRef JSON, '
                "ResponseStatus JSON, RequestObject JSON, Annotations JSON)"
            )
            connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?)", REQUESTS)
        connection.execute(
            "CREATE TABLE AzureActivity AS SELECT 'MICROSOFT.COMPUTE/VIRTUALMACHINES/WRITE' AS "
            "OperationNameValue, 'Create VM' AS OperationName, 'ann@x.example' AS Caller"
        )
        connection.execute(
            "CREATE TABLE AuditLogs AS SELECT 'Add service principal' AS OperationName, "
            """'[{"modifiedProperties": [{"displayName": "KeyDescription"}]}]'::JSON """
            "AS TargetResources"
        )
        connection.execute("CREATE TABLE SignInLogs AS SELECT '50126' AS ResultType")
        connection.execute("CREATE TABLE OfficeActivity AS SELECT 'New-InboxRule' AS Operation")
        connection.execute("CREATE TABLE StorageBlobLogs AS SELECT 'GetBlob' AS OperationName")
    return QueryEngine(path, Limits())


def _rule(detection: str, logsource: str = LINUX) -> str:
    return f"title: A rule\nlogsource: {logsource}\ndetection: {detection}\n"


def _grade(engine: QueryEngine, rule: str) -> dict[str, Any]:
    return json.loads(engine.answer({"tool": "grade_sigma", "arguments": {"rule": rule}}))


@pytest.mark.parametrize(
    ("detection", "rows"),
    [
        ("{s: {Image: /USR/bin/curl}, condition: s}", [0, 1]),
        ("{s: {Image|cased: /usr/bin/curl}, condition: s}", [0]),
        ("{s: {Image|endswith: /curl}, condition: s}", [0, 1]),
        ("{s: {CommandLine|startswith: CURL}, condition: s}", [0, 1]),
        ("{s: {CommandLine: 'c?rl*'}, condition: s}", [0, 1]),
        ("{s: {CommandLine|contains: a_b}, condition: s}", [0]),
        ("{s: {CommandLine|contains: '100%'}, condition: s}", [1]),
        ("{s: {CommandLine|contains: '\\x'}, condition: s}", [2]),
        ("{s: {CommandLine|contains|all: [curl, http]}, condition: s}", [0]),
        ("{s: {CommandLine|contains: [http, aXb]}, condition: s}", [0, 2]),
        ("{s: {CommandLine|re: ^curl}, condition: s}", [0]),
        ("{s: {CommandLine|re|i: ^curl}, condition: s}", [0, 1]),
        ("{s: {CommandLine|windash|contains: ' /o'}, condition: s}", [1]),
        ("{s: {User: root}, condition: not s}", [1, 2]),
        ("{s: {User: null}, condition: s}", [2]),
        ("{s: {User: ''}, condition: s}", [2]),
        ("{s: {User|exists: true}, condition: s}", [0, 1]),
        ("{s: {User|exists: false}, condition: s}", [2]),
        ("{s: {User|neq: root}, condition: s}", [1, 2]),
        ("{s: {ProcessId: 12}, condition: s}", [2]),
        ("{s: {ProcessId|gte: 11}, condition: s}", [1, 2]),
        ("{s: {CommandLine|fieldref: Image}, condition: s}", []),
        ("{s: {Image|fieldref|startswith: ParentImage}, condition: s}", []),
        ("{s: {AdditionalFields.a.b: Y}, condition: s}", [2]),
        ("{s: {AdditionalFields.a: 1}, condition: s}", [1]),
        ("{a1: {Image|endswith: wget}, a2: {User: WWW}, condition: 1 of a*}", [1, 2]),
        ("{a1: {Image|endswith: curl}, a2: {User: WWW}, condition: all of a*}", [1]),
        ("{a: {Image|endswith: curl}, f: {User: root}, condition: a and not f}", [1]),
        ("{s: [{User: root}, {User: www}], condition: s}", [0, 1]),
        ("{keywords: [aXb], condition: keywords}", [2]),
        ("{s: {Computer: db}, condition: s}", [2]),
        ("{s: {ParentImage|endswith: [/bash, /sh]}, condition: s}", [0, 1]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_values_match_as_sigma_says(detection: str, rows: list[int], engine: QueryEngine) -> None:
    assert _grade(engine, _rule(detection))["matched"] == {"DeviceProcessEvents": rows}


@pytest.mark.parametrize(
    ("selection", "rows"),
    [
        ("{verb: create, objectRef.resource: pods, objectRef.subresource: exec}", [0]),
        ("{user.groups: system:masters}", [0]),
        ("{user.username|startswith: 'system:serviceaccount:'}", [0]),
        ("{requestObject.spec.containers.securityContext.privileged: true}", [0]),
        ("{requestObject.spec.containers.1.image|startswith: evil}", [0]),
        ("{'requestObject.spec.containers[].image|startswith': evil}", [0]),
        ("{hostPath: '*'}", [0]),
        ("{requestObject: null}", [1]),
        ("{sourceIPs|cidr: 172.16.0.0/12}", [1]),
        ("{sourceIPs: 192.168.0.9}", [1]),
        ("{responseStatus.code|lt: 300}", [0]),
        ("{annotations.authorization.k8s.io/decision: allow}", [0]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_dotted_fields_reach_into_dynamic_columns_of_both_audit_tables(
    selection: str, rows: list[int], engine: QueryEngine
) -> None:
    found = _grade(engine, _rule(f"{{s: {selection}, condition: s}}", KUBERNETES))
    assert found["matched"] == {"AKSAudit": rows, "AKSAuditAdmin": rows}


@pytest.mark.parametrize(
    ("logsource", "selection", "table"),
    [
        ("{product: azure, service: activitylogs}",
         "{operationName: Microsoft.Compute/virtualMachines/write}", "AzureActivity"),
        ("{product: azure, service: activitylogs}", "{OperationName: Create VM}", "AzureActivity"),
        ("{product: azure, service: auditlogs}",
         "{properties.message: Add service principal}", "AuditLogs"),
        ("{product: azure, service: auditlogs}",
         "{targetResources.modifiedProperties.displayName: KeyDescription}", "AuditLogs"),
        ("{product: azure, service: signinlogs}", "{ResultType: 50126}", "SignInLogs"),
        ("{product: m365, service: exchange}", "{eventName: New-InboxRule}", "OfficeActivity"),
        ("{product: azure, category: storage}", "{OperationName: GetBlob}", "StorageBlobLogs"),
        ("{product: linux, category: file_event}", "{TargetFilename|contains: /cron.d/}",
         "DeviceFileEvents"),
    ],
    ids=lambda value: value[:40],
)  # fmt: skip
def test_a_log_source_stands_for_its_table(
    logsource: str, selection: str, table: str, engine: QueryEngine
) -> None:
    found = _grade(engine, _rule(f"{{s: {selection}, condition: s}}", logsource))
    assert found["tables"] == [table]
    assert 0 in found["matched"][table]


def test_a_log_source_that_is_one_action_matches_no_other(engine: QueryEngine) -> None:
    rule = _rule(
        "{s: {TargetFilename|contains: cron}, condition: s}",
        "{product: linux, category: file_delete}",
    )
    assert _grade(engine, rule)["matched"] == {"DeviceFileEvents": [1]}


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("", "Exactly one Sigma rule is expected, not 0"),
        ("a: [", "not valid YAML"),
        ("- a\n- b", "YAML mapping"),
        ("!!python/object/apply:os.system ['id']", "not valid YAML"),
        ("title: x", "must have a log source"),
        ("title: x\nlogsource: linux\ndetection: {s: {a: b}, condition: s}", "not valid Sigma"),
        (_rule("{}"), "at least one condition"),
        (_rule("{s: {Image: x}, condition: t}"), "'t' not defined"),
        (_rule("{s: {Image: x}, condition: s | count() > 5}"), "pipe syntax"),
        (_rule("{s: {Image|nope: x}, condition: s}"), "not valid Sigma"),
        (_rule("{s: {Image|re: '('}, condition: s}"), "not valid Sigma"),
        (_rule("{s: {Image: x}, condition: s}") + "---\n" + _rule("{s: {Image: x}, condition: s}"),
         "not 2"),
        ("title: x\ncorrelation: {type: event_count}", "Correlation rules"),
        ("x" * 30_000, "longer than"),
    ],
    ids=lambda value: value[:40],
)  # fmt: skip
def test_what_is_not_one_rule_is_refused_with_the_reason(rule: str, reason: str) -> None:
    with pytest.raises(ToolError, match=reason):
        parse(rule)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (_rule("{s: {Imagee: x}, condition: s}"), "no field 'Imagee' .* Did you mean 'image'"),
        (_rule("{s: {a: x}, condition: s}", "{product: macos, category: process_creation}"),
         "No table holds the log source product='macos'"),
        (_rule("{s: {a: x}, condition: s}", "{product: azure, service: diagnostics}"),
         "No table holds"),
        (_rule("{s: {Image|expand: '%x%'}, condition: s}"), "placeholder"),
        (_rule("{s: {Image|re: '(?!a)b'}, condition: s}"), "invalid perl operator"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_executed_is_still_parsed(
    rule: str, reason: str, engine: QueryEngine
) -> None:
    found = _grade(engine, rule)
    assert (found["parsed"], found["matched"]) == (True, {})
    assert re.search(reason, found["error"])


def test_techniques_are_the_attack_tags_in_upper_case() -> None:
    rule = _rule("{s: {Image: x}, condition: s}") + (
        "tags: [attack.execution, attack.t1059.004, attack.t1105, attack.t1105, cve.2026-1]\n"
    )
    assert parse(rule).techniques == ("T1059.004", "T1105")


def test_a_detection_that_no_condition_uses_is_an_issue() -> None:
    issues = parse(_rule("{s: {Image: x}, unused: {Image: y}, condition: s}")).issues
    assert len(issues) == 1
    assert issues[0].startswith("high: ")


def test_no_text_in_a_rule_becomes_sql(engine: QueryEngine) -> None:
    selection = """{"Image": "x' OR '1'='1", "a\\" OR 1=1 --": null}"""
    found = _grade(engine, _rule(f"{{s: {selection}, condition: s}}"))
    assert found["error"].startswith("There is no field")
    assert _grade(engine, _rule("""{s: {Image: "x' OR '1'='1"}, condition: s}"""))["matched"] == {
        "DeviceProcessEvents": []
    }


WINDOWS_EVENT = {
    "Image": r"C:\Windows\System32\certutil.exe",
    "FileVersion": "10.0.20348.4163",
    "Description": "CertUtil.exe",
    "Product": "Microsoft® Windows® Operating System",
    "Company": "Microsoft Corporation",
    "OriginalFileName": "CertUtil.exe",
    "CommandLine": "certutil  -encode file.bat file_.base64",
    "CurrentDirectory": "C:\\Users\\Administrator\\Downloads\\",
    "User": r"LAB\Administrator",
    "IntegrityLevel": "High",
    "Hashes": "SHA1=317E,MD5=A561,IMPHASH=02CB6949ACFAA0B84149D99111C16734",
    "ParentImage": r"C:\Windows\System32\cmd.exe",
    "ParentCommandLine": r'"C:\Windows\System32\cmd.exe"',
}
CERTUTIL = r"""
title: Encoding with certutil
logsource: {product: windows, category: process_creation}
detection:
  image:
    - Image|endswith: '\certutil.exe'
    - OriginalFileName: CertUtil.exe
  hash:
    Hashes|contains: IMPHASH=02CB6949ACFAA0B84149D99111C16734
  words:
    CommandLine|contains|windash: ' -encode '
  parent:
    ParentImage|endswith: ['\powershell.exe', '\CMD.exe']
    CurrentDirectory|contains: \Downloads\
    Company|startswith: Microsoft
  condition: (image or hash) and words and parent
"""


def test_a_windows_rule_fires_on_sysmons_own_field_names(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE DeviceProcessEvents ("
            + ", ".join(f'"{name}" VARCHAR' for name in WINDOWS_EVENT)
            + ")"
        )
        marks = ", ".join("?" for _ in WINDOWS_EVENT)
        other = {**WINDOWS_EVENT, "CommandLine": "certutil -decode"}
        for event in (WINDOWS_EVENT, other):
            connection.execute(
                f"INSERT INTO DeviceProcessEvents VALUES ({marks})",
                list(event.values()),
            )
    found = json.loads(
        QueryEngine(path, Limits()).answer({"tool": "grade_sigma", "arguments": {"rule": CERTUTIL}})
    )
    assert found["matched"] == {"DeviceProcessEvents": [0]}


def test_a_windows_rule_does_not_look_at_other_systems(engine: QueryEngine) -> None:
    rule = """
title: Any curl
logsource: {product: PRODUCT, category: process_creation}
detection: {a: {CommandLine|contains: curl}, condition: a}
"""
    matched = {
        product: json.loads(
            engine.answer(
                {"tool": "grade_sigma", "arguments": {"rule": rule.replace("PRODUCT", product)}}
            )
        )["matched"]
        for product in ("linux", "windows")
    }
    assert len(matched["linux"]["DeviceProcessEvents"]) == 2
    assert matched["windows"] == {"DeviceProcessEvents": []}
