"""The guard before every query."""

from __future__ import annotations

import duckdb
import pytest

from fleetgym.contracts.errors import ToolError
from fleetgym.toolserver.sql_guard import MAX_NODES, bare_statement, check_sql

TABLES = ("AKSAudit", "DeviceProcessEvents")

HOSTILE = [
    # other statements
    "INSERT INTO AKSAudit VALUES (1)",
    "UPDATE AKSAudit SET Verb = 'x'",
    "DELETE FROM AKSAudit",
    "MERGE INTO AKSAudit USING AKSAudit a ON true WHEN MATCHED THEN DELETE",
    "TRUNCATE AKSAudit",
    "DROP TABLE AKSAudit",
    "ALTER TABLE AKSAudit RENAME TO x",
    "CREATE TABLE x AS SELECT 1",
    "CREATE OR REPLACE TEMP TABLE x AS SELECT 1",
    "CREATE VIEW x AS SELECT 1",
    "CREATE MACRO x() AS 1",
    "CREATE SECRET s (TYPE s3)",
    "COMMENT ON TABLE AKSAudit IS 'x'",
    "COPY AKSAudit TO '/tmp/x.csv'",
    "COPY (SELECT 1) TO '/tmp/x.csv'",
    "EXPORT DATABASE '/tmp/x'",
    "IMPORT DATABASE '/tmp/x'",
    "ATTACH '/tmp/x.db'",
    "DETACH telemetry",
    "USE other",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET threads = 8",
    "SET lock_configuration = false",
    "RESET threads",
    "PRAGMA database_list",
    "PRAGMA enable_profiling",
    "CALL pragma_version()",
    "CHECKPOINT",
    "BEGIN TRANSACTION",
    "COMMIT",
    "VACUUM",
    "ANALYZE",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DEALLOCATE p",
    "EXPLAIN ANALYZE SELECT 1",
    "SHOW TABLES",
    "DESCRIBE AKSAudit",
    "SUMMARIZE AKSAudit",
    "PIVOT AKSAudit ON Verb USING count(*)",
    # more than one, or none
    "SELECT 1; DROP TABLE AKSAudit",
    "SELECT 1; SELECT 2",
    "",
    ";",
    "-- nothing",
    # writes inside a query
    "WITH x AS (DELETE FROM AKSAudit RETURNING *) SELECT * FROM x",
    "WITH x AS (INSERT INTO AKSAudit VALUES (1) RETURNING *) SELECT * FROM x",
    "SELECT 1 INTO x",
    "SELECT * FROM AKSAudit FOR UPDATE",
    # other tables
    "SELECT * FROM Other",
    "SELECT * FROM main.AKSAudit",
    "SELECT * FROM telemetry.main.AKSAudit",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM duckdb_settings",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM pragma_database_list",
    "SELECT (SELECT count(*) FROM sqlite_master)",
    "SELECT * FROM AKSAudit WHERE Verb IN (FROM sqlite_master SELECT name)",
    "SELECT * FROM AKSAudit UNION ALL SELECT * FROM duckdb_tables",
    "SELECT * FROM (SHOW TABLES)",
    "WITH show AS (SELECT 1) SELECT * FROM (SHOW TABLES)",
    "SELECT * FROM (SUMMARIZE AKSAudit)",
    "SELECT * FROM (DESCRIBE Other)",
    "FROM (WITH sqlite_master AS (SELECT 1) FROM sqlite_master), sqlite_master",
    'WITH "/etc/passwd" AS (SELECT 1) FROM "/etc/passwd"',
    # files
    "SELECT * FROM '/etc/passwd'",
    'SELECT * FROM "/data/x.parquet"',
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_csv_auto('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_json('/etc/passwd')",
    "SELECT * FROM parquet_scan(['/x'])",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM AKSAudit, LATERAL read_text('/etc/passwd')",
    # catalog, settings, environment, text as code
    "SELECT getenv('HOME')",
    "SELECT \"getenv\"('HOME')",
    "SELECT 'HOME'.getenv()",
    "SELECT system.main.getenv('HOME')",
    "SELECT current_setting('threads')",
    "SELECT current_database()",
    "SELECT current_user",
    "SELECT user",
    "SELECT version()",
    "SELECT txid_current()",
    "SELECT nextval('s')",
    "SELECT getvariable('x')",
    "SELECT pg_typeof(1)",
    "SELECT stats(Verb) FROM AKSAudit",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM which_secret('s3://x', 's3')",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('AKSAudit')",
    "SELECT * FROM json_execute_serialized_sql('{}')",
    "SELECT json_serialize_sql('SELECT 1')",
    "SELECT write_log('x')",
    "SELECT sleep_ms(10000)",
    "SELECT * FROM pragma_table_info('AKSAudit')",
    "SELECT * FROM python_map_function()",
    # nothing that could not be repeated
    "SELECT now()",
    "SELECT current_timestamp",
    "SELECT today()",
    "SELECT localtimestamp",
    "SELECT random()",
    "SELECT uuid()",
    "SELECT uuidv7()",
    "SELECT age(TimeGenerated) FROM AKSAudit",
    "SELECT * FROM AKSAudit USING SAMPLE 3",
    "SELECT * FROM AKSAudit TABLESAMPLE 10%",
    # endless or huge
    "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 1 FROM r) SELECT * FROM r",
    "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "SELECT " + "+".join("1" for _ in range(MAX_NODES)),
    # not SQL
    "SELECT ?",
    "SELECT $x",
    "SELEC 1",
    "SELECT * FROM AKSAudit WHERE (",
]

HARMLESS = [
    "SELECT * FROM AKSAudit",
    "select * from aksaudit limit 5;",
    "FROM AKSAudit",
    "FROM AKSAudit SELECT Verb WHERE Verb ILIKE '%x%'",
    "TABLE AKSAudit",
    "SELECT * EXCLUDE (Verb) REPLACE (upper(Verb) AS Verb) FROM AKSAudit",
    "SELECT COLUMNS('V.*') FROM AKSAudit",
    "WITH a AS (SELECT * FROM AKSAudit), b AS (FROM a) SELECT * FROM b",
    "SELECT * FROM AKSAudit a JOIN DeviceProcessEvents d ON a.Verb = d.FileName",
    "SELECT * FROM AKSAudit a ASOF JOIN DeviceProcessEvents d ON a.TimeGenerated >= d.Timestamp",
    "SELECT Verb, count(*) FROM AKSAudit GROUP BY ALL HAVING count(*) > 1 ORDER BY 2 DESC",
    "FROM AKSAudit QUALIFY row_number() OVER (PARTITION BY Verb ORDER BY TimeGenerated) = 1",
    "SELECT \"User\"->>'$.username' FROM AKSAudit",
    "SELECT a.User.username FROM AKSAudit a",
    "SELECT json_extract_string(ObjectRef, '$.resource') FROM AKSAudit",
    "SELECT j.key FROM AKSAudit, json_each(ObjectRef) j",
    "SELECT unnest(from_json(SourceIps, '[\"VARCHAR\"]')) FROM AKSAudit",
    "SELECT list_transform([1, 2], lambda x: x + 1)",
    "SELECT * FROM range(3) t(i)",
    "SELECT regexp_matches(Verb, '^cr'), date_trunc('hour', TimeGenerated) FROM AKSAudit",
    "SELECT * FROM AKSAudit UNION BY NAME SELECT * FROM DeviceProcessEvents",
    "(SELECT 1) INTERSECT (SELECT 2)",
    "SELECT column_name AS ColumnName FROM (DESCRIBE SELECT * FROM AKSAudit)",
    "SELECT EXISTS (FROM AKSAudit), 'x' IN (SELECT Verb FROM AKSAudit)",
    "SELECT 'DROP TABLE x; SELECT now()' AS text -- DELETE",
]


@pytest.mark.parametrize("sql", HOSTILE, ids=lambda sql: sql[:60])
def test_what_is_not_one_repeatable_query_over_the_tables_is_refused(sql: str) -> None:
    with pytest.raises(ToolError):
        check_sql(sql, TABLES)


@pytest.mark.parametrize("sql", HARMLESS, ids=lambda sql: sql[:60])
def test_what_only_computes_over_the_tables_passes(sql: str) -> None:
    assert check_sql(sql, TABLES) <= set(TABLES)


def _names(condition: str) -> list[str]:
    found = duckdb.connect().execute(
        f"SELECT DISTINCT function_name FROM duckdb_functions() WHERE {condition} ORDER BY 1"
    )
    return [name for (name,) in found.fetchall()]


def test_every_volatile_function_that_duckdb_knows_is_refused() -> None:
    accepted: list[str] = []
    for name in _names("function_type = 'scalar' AND stability IS DISTINCT FROM 'CONSISTENT'"):
        try:
            check_sql(f"SELECT {name}()", TABLES)
        except ToolError:
            continue
        accepted.append(name)
    assert accepted == ["error"]  # it only raises


def test_every_table_function_that_duckdb_knows_is_refused_but_those_that_only_compute() -> None:
    accepted: list[str] = []
    for name in _names("function_type IN ('table', 'table_macro', 'pragma')"):
        try:
            check_sql(f"SELECT * FROM {name}('x')", TABLES)
        except ToolError:
            continue
        accepted.append(name)
    assert accepted == ["generate_series", "json_each", "json_tree", "range", "unnest"]


def test_the_tables_that_are_read_come_back_as_they_are_spelled() -> None:
    sql = "WITH x AS (FROM aksaudit) SELECT * FROM x, DEVICEPROCESSEVENTS"
    assert check_sql(sql, TABLES) == {"AKSAudit", "DeviceProcessEvents"}


def test_a_misspelled_table_is_answered_with_the_nearest() -> None:
    with pytest.raises(ToolError, match="Did you mean 'AKSAudit'"):
        check_sql("SELECT * FROM AKSAudits", TABLES)


def test_a_column_that_sql_takes_for_a_function_is_answered_with_its_quotes() -> None:
    with pytest.raises(ToolError, match='For the column write "User"'):
        check_sql("SELECT User FROM AKSAudit", TABLES)


@pytest.mark.parametrize(
    ("sql", "bare"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT 1 ;; -- x", "SELECT 1"),
        ("SELECT ';' -- ;", "SELECT ';'"),
        ("SELECT 1 /* a; b */ ; /* c */", "SELECT 1"),
    ],
)
def test_nothing_is_left_behind_a_bare_statement(sql: str, bare: str) -> None:
    assert bare_statement(sql) == bare
