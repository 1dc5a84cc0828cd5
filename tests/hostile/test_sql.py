"""SQL that wants more than rows of the telemetry."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from arena import CANARY

if TYPE_CHECKING:
    from arena import Arena, Episode


FUNCTION = "The table function '[a-z_]+' is not available"
SCALAR = "The function '[a-z_]+' is not available"
NO_TABLE = "There is no table"
ONLY_A_QUERY = "Only a query .* can be executed"
ONE = "Exactly one statement can be executed"
NO_PARSE = "The SQL does not parse"
BEFORE = "Name the table without a database or schema before it"
TOO_LARGE = "needs too much memory|too large to run|was stopped after"

ATTACKS = {
    # files of the host
    "read_text": ("SELECT * FROM read_text('/etc/shadow')", FUNCTION),
    "read_blob": ("SELECT * FROM read_blob('/proc/self/mem')", FUNCTION),
    "read_csv": ("SELECT * FROM read_csv('/etc/passwd', sep=':')", FUNCTION),
    "read_csv of a glob": ("FROM read_csv('/proc/*/environ')", FUNCTION),
    "read_json of a record": ("FROM read_json('{record}')", FUNCTION),
    "read_ndjson_objects": ("FROM read_ndjson_objects('{file}')", FUNCTION),
    "parquet_scan": ("FROM parquet_scan('{runs}/*.parquet')", FUNCTION),
    "parquet_metadata": ("FROM parquet_metadata('{file}')", FUNCTION),
    "sniff_csv": ("FROM sniff_csv('{file}')", FUNCTION),
    "glob": ("SELECT * FROM glob('{runs}/**')", FUNCTION),
    "read_duckdb": ("FROM read_duckdb('{home}/cache/instances/*/data/telemetry.duckdb')", FUNCTION),
    "a path as a table": ("SELECT * FROM '{file}'", NO_TABLE),
    "a quoted path as a table": ('SELECT * FROM "{record}"', NO_TABLE),
    "a path behind a comment": (
        "SELECT * FROM /* x */ '/etc/passwd' -- DeviceProcessEvents",
        NO_TABLE,
    ),
    "a reader in a lateral join": (
        "FROM DeviceProcessEvents, LATERAL (FROM read_text('{file}'))",
        FUNCTION,
    ),
    "a reader in a subquery": ("SELECT (SELECT content FROM read_text('{file}'))", FUNCTION),
    "a reader in a CTE of a CTE": (
        "WITH a AS (WITH b AS (FROM read_text('{file}')) FROM b) FROM a",
        FUNCTION,
    ),
    "a reader under a quoted name": ("FROM \"read_text\"('{file}')", FUNCTION),
    "a reader with a schema": ("FROM main.read_text('{file}')", FUNCTION),
    "a reader in mixed case": ("FROM ReAd_TeXt('{file}')", FUNCTION),
    "a reader spelled with escapes": ("FROM U&\"\\0072ead_text\"('{file}')", NO_PARSE),
    "a reader behind a homoglyph": ("FROM r\u0435ad_text('{file}')", "."),
    "a reader in a pivot": ("PIVOT read_text('{file}') ON content", "."),
    "a reader in an unpivot": ("UNPIVOT (FROM read_text('{file}')) ON content", ONLY_A_QUERY),
    "a reader in a values list": ("VALUES ((SELECT content FROM read_text('{file}')))", "."),
    "a reader in ORDER BY": (
        "SELECT 1 ORDER BY (SELECT content FROM read_text('{file}'))",
        FUNCTION,
    ),
    "a reader in a lambda": (
        "SELECT list_transform([1], lambda x: (SELECT content FROM read_text('{file}')))",
        FUNCTION,
    ),
    "a reader by query_table": ("FROM query_table('{file}')", FUNCTION),
    "a reader by query": ("FROM query('FROM read_text(''{file}'')')", FUNCTION),
    "a reader by a string": ("SELECT * FROM query('SEL' || 'ECT * FROM glob(''/*'')')", FUNCTION),
    "a reader by serialized SQL": (
        "FROM json_execute_serialized_sql(json_serialize_sql('FROM glob(''/*'')'))",
        FUNCTION,
    ),
    "getenv": ("SELECT getenv('FLEETGYM_CANARY')", SCALAR),
    "getenv as a method": ("SELECT 'FLEETGYM_CANARY'.getenv()", SCALAR),
    "getvariable": ("SELECT getvariable('x')", SCALAR),
    # writing and other statements
    "COPY out": ("COPY DeviceProcessEvents TO '{runs}/leak.csv'", ONLY_A_QUERY),
    "COPY in": ("COPY DeviceProcessEvents FROM '/etc/passwd'", ONLY_A_QUERY),
    "EXPORT": ("EXPORT DATABASE '{runs}/leak'", NO_PARSE),
    "IMPORT": ("IMPORT DATABASE '{runs}'", "."),
    "ATTACH": ("ATTACH '{home}/cache/x.duckdb' AS other", ONLY_A_QUERY),
    "ATTACH over HTTP": ("ATTACH 'http://127.0.0.1:1/x.duckdb'", ONLY_A_QUERY),
    "INSTALL": ("INSTALL httpfs", ONLY_A_QUERY),
    "LOAD": ("LOAD '{file}'", ONLY_A_QUERY),
    "SET": ("SET enable_external_access = true", ONLY_A_QUERY),
    "SET GLOBAL": ("SET GLOBAL memory_limit = '100GB'", ONLY_A_QUERY),
    "RESET": ("RESET lock_configuration", "."),
    "PRAGMA": ("PRAGMA database_list", ONLY_A_QUERY),
    "CREATE SECRET": ("CREATE SECRET s (TYPE s3, KEY_ID 'x')", "."),
    "CREATE MACRO": (
        "CREATE MACRO leak() AS TABLE FROM read_text('{file}')",
        "CREATE|Only a query",
    ),
    "CREATE FUNCTION": ("CREATE FUNCTION f(x) AS getenv(x)", "CREATE|Only a query"),
    "DROP": ("DROP TABLE DeviceProcessEvents", ONLY_A_QUERY),
    "PREPARE": ("PREPARE p AS SELECT getenv($1)", ONLY_A_QUERY),
    "EXECUTE": ("EXECUTE p('FLEETGYM_CANARY')", "."),
    "CALL": ("CALL pragma_version()", ONLY_A_QUERY),
    "EXPLAIN": ("EXPLAIN ANALYZE SELECT 1", "."),
    "two statements": ("SELECT 1; SELECT getenv('HOME')", ONE),
    "a second statement behind a comment": (
        "SELECT 1 /* ; */ ; DROP TABLE DeviceFileEvents --",
        ONE,
    ),
    "a second statement behind a NUL": ("SELECT 1\x00; DROP TABLE DeviceFileEvents", "."),
    "DELETE in a CTE": (
        "WITH x AS (DELETE FROM DeviceProcessEvents RETURNING *) FROM x",
        "DELETE is not possible here|does not parse",
    ),
    # the catalog, other databases, the session
    "the catalog": ("SELECT * FROM information_schema.tables", BEFORE),
    "duckdb_settings": ("SELECT * FROM duckdb_settings()", FUNCTION),
    "duckdb_secrets": ("SELECT * FROM duckdb_secrets()", FUNCTION),
    "duckdb_databases": ("FROM duckdb_databases", NO_TABLE),
    "sqlite_master": ("SELECT sql FROM sqlite_master", NO_TABLE),
    "sqlite_master behind a CTE": (
        "FROM (WITH sqlite_master AS (SELECT 1) FROM sqlite_master), sqlite_master",
        "cannot name a WITH query",
    ),
    "current_setting": ("SELECT current_setting('temp_directory')", SCALAR),
    "write_log": ("SELECT write_log('x')", SCALAR),
    "SHOW in a query": ("SELECT * FROM (SHOW ALL TABLES)", "."),
    "a parameter": ("SELECT $1", "Parameters .* have no value here"),
    # bombs
    "a recursive bomb": (
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
        "Recursive queries are not possible",
    ),
    "a recursive bomb by another name": (
        "WITH RECURSIVE r(n) USING KEY (n) AS (SELECT 1 UNION SELECT n+1 FROM r) FROM r",
        ".",
    ),
    "a cross join bomb": (
        "SELECT sum(hash(a.range, b.range)) FROM range(100000000) a, range(100000000) b",
        TOO_LARGE,
    ),
    "a generate_series bomb": (
        "SELECT list(generate_series) FROM generate_series(1, 9e9::BIGINT)",
        TOO_LARGE,
    ),
    "a range bomb": ("SELECT range(2000000000)", TOO_LARGE + "|OutOfRange|failed"),
    "a repeat bomb": ("SELECT length(repeat('a', 2000000000))", TOO_LARGE),
    "a repeat of repeats": ("SELECT repeat(repeat(repeat('a', 9999), 9999), 999)", TOO_LARGE),
    "a hashing bomb": ("SELECT count(DISTINCT hash(range)) FROM range(900000000)", TOO_LARGE),
    "a window bomb": (
        "SELECT max(s) FROM (SELECT sum(i) OVER (ORDER BY hash(i)) s FROM range(900000000) t(i))",
        TOO_LARGE,
    ),
    "a string_agg bomb": (
        "SELECT length(string_agg(range::VARCHAR, 'xxxxxxxx')) FROM range(900000000)",
        TOO_LARGE,
    ),
    "an array bomb": ("SELECT len(list_resize([1], 4000000000))", TOO_LARGE + "|failed"),
    "a lambda bomb": (
        (
            "SELECT len(list_transform(range(20000), lambda x: "
            "list_sum(list_transform(range(20000), lambda y: x * y))))"
        ),
        TOO_LARGE,
    ),
    "a CTE bomb": (
        (
            "WITH a AS (FROM range(9999) t(x)), b AS (FROM a a1, a a2 SELECT a1.x x), "
            "c AS (FROM b b1, b b2 SELECT b1.x x) SELECT max(hash(x)) FROM c"
        ),
        TOO_LARGE,
    ),
    "brackets without end": ("SELECT " + "(" * 9000 + "1" + ")" * 9000, "nested too deeply|parse"),
    "operators without end": ("SELECT 1" + "+1" * 9000, "."),
    "CASE without end": ("SELECT " + "CASE WHEN 1=1 THEN " * 1000 + "1" + " END" * 1000, "."),
    "NOT without end": ("SELECT " + "NOT " * 4900 + "true", "."),
    "a query of megabytes": ("SELECT '" + "x" * 900_000 + "'", "longer than 20000 characters"),
    "a regex bomb of repetitions": (
        "SELECT regexp_matches('a', '((a{1000}){1000}){1000}')",
        "failed",
    ),
    "an editing distance bomb": (
        "SELECT max(levenshtein(repeat('a', 200000), repeat('b', 200000 + range))) FROM range(100)",
        TOO_LARGE,
    ),
    "a format bomb": ("SELECT length(format('{:>2000000000}', 'x'))", TOO_LARGE + "|failed"),
    "a printf bomb": ("SELECT length(printf('%2000000000d', 1))", TOO_LARGE + "|failed"),
    "a padding bomb": ("SELECT length(lpad('x', 2000000000, 'y'))", TOO_LARGE + "|failed"),
    "a JSON nesting bomb": (
        "SELECT json(repeat('[', 5000000) || repeat(']', 5000000))",
        TOO_LARGE + "|failed",
    ),
    "a decimal bomb": ("SELECT factorial(33000000)", TOO_LARGE + "|failed"),
    "a date bomb": (
        (
            "SELECT count(*) FROM generate_series(DATE '0001-01-01', DATE '9999-01-01', "
            "INTERVAL '1 microsecond')"
        ),
        TOO_LARGE + "|failed",
    ),
}


@pytest.fixture(scope="module")
def intruder(arena: Arena) -> Episode:
    return arena.visit(steps=1000)


@pytest.mark.parametrize("name", ATTACKS)
def test_it_is_refused_and_the_next_query_is_answered(
    name: str, intruder: Episode, arena: Arena
) -> None:
    sql, refusal = ATTACKS[name]

    answer = intruder.call("execute_sql_query", query=arena.filled(sql))

    assert answer.status == 200
    assert answer.json["is_error"], answer.text[:500]
    assert re.search(refusal, answer.content), answer.content[:500]
    assert CANARY not in answer.text
    assert not intruder.call("list_kusto_tables").json["is_error"]


def test_after_all_of_it_the_score_is_what_was_earned_before(
    intruder: Episode, arena: Arena
) -> None:
    assert intruder.give_up().score == arena.earned
