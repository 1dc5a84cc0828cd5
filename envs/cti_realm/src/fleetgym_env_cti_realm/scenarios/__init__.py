"""The scenarios of CtiRealm-v1: one module a story."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from fleetgym.contracts.scenario import Budget, Scenario
from fleetgym.contracts.tools import SUBMIT

if TYPE_CHECKING:
    from fleetgym_env_cti_realm.scenarios.story import Story

__all__ = ["SYSTEM", "scenarios", "stories", "story_of"]

ENVIRONMENT = "fleetgym/CtiRealm-v1"

_MODULES = (
    "linux_cron_persistence",
    "linux_ssh_key_implant",
    "linux_callback_shell",
    "aks_exec_secrets",
    "aks_privileged_daemonset",
    "aks_binding_backdoor",
    "azure_service_principal_abuse",
    "azure_storage_exfil",
    "azure_inbox_rule_bec",
    "azure_vault_self_grant",
    "azure_spray_new_factor",
    "azure_consent_harvest",
)

TOOLS = (
    "list_cti_report_tags",
    "get_cti_reports_by_tag",
    "search_cti_reports",
    "search_mitre_techniques",
    "search_sigma_rules",
    "list_kusto_tables",
    "get_table_schema",
    "sample_table_data",
    "execute_kql_query",
    "execute_sql_query",
    "validate_output_json",
    SUBMIT,
)

MINIMAL_TOOLS = (
    "list_kusto_tables",
    "get_table_schema",
    "sample_table_data",
    "execute_kql_query",
    "validate_output_json",
    SUBMIT,
)
"""Those of the reference's minimal variant."""

_MEMORY = """\
- Read the threat report first: search for what the objective describes, then read the report in \
full by its rarest tag. It says what tells the intrusion from ordinary administration.
- list_kusto_tables and get_table_schema are cheap; look at the columns before the first query.
- Narrow queries in steps: count first, then filter, and look at the benign look-alikes that are \
left. A single condition never was enough.
- Dynamic columns need tostring() before they are compared.
- Hand in the rows exactly as the last query returned them."""

_VAGUE = {
    "linux": "Something is not right on our Linux machines. Detect it.",
    "aks": "Something is not right in our Kubernetes clusters. Detect it.",
    "azure": "Something is not right in our cloud tenant. Detect it.",
}

SYSTEM = """\
You are a detection engineer in a security operations center. You turn threat intelligence into \
detections that find an intrusion in the telemetry and leave benign activity alone.

Use the tools to find the threat report that fits the objective, to learn what tells the intrusion \
from ordinary administration, to explore the telemetry, and to try out queries until one returns \
the intrusion's events and nothing else. Say why the report that you rely on fits the objective.

Hand in one JSON object with exactly these keys by calling `submit`:
- `sigma_rule`: a Sigma rule in YAML, as text, that matches the same events; its tags name the \
ATT&CK techniques;
- `kql_query`: the KQL query that finds them, with their time among its columns;
- `query_results`: the array of rows that this query returned, each an object of column name to \
value, exactly as the query tool returned them.

You can submit once."""

ARTIFACT_SCHEMA = {
    "type": "object",
    "properties": {
        "sigma_rule": {"type": "string", "minLength": 50},
        "kql_query": {"type": "string", "minLength": 10},
        "query_results": {"type": "array", "items": {"type": "object"}, "minItems": 1},
    },
    "required": ["sigma_rule", "kql_query", "query_results"],
    "additionalProperties": False,
}


def stories() -> tuple[Story, ...]:
    """Return what the scenarios tell."""
    return tuple(import_module(f"{__name__}.{name}").STORY for name in _MODULES)


def story_of(scenario: str) -> Story:
    """Return the story of one scenario id."""
    return next(told for told in stories() if told.id == scenario)


def scenarios() -> tuple[Scenario, ...]:
    """Return every scenario."""
    return tuple(
        Scenario(
            id=told.id,
            version=told.version,
            environment=ENVIRONMENT,
            title=told.title,
            platform=told.platform,
            difficulty=told.difficulty,
            prompt=f"DETECTION OBJECTIVE:\n{told.objective}",
            tools=TOOLS,
            vague_prompt=f"DETECTION OBJECTIVE:\n{told.vague or _VAGUE[told.platform]}",
            minimal_tools=MINIMAL_TOOLS,
            memory=_MEMORY,
            artifact_schema=ARTIFACT_SCHEMA,
            budget=Budget(steps=40, model_calls=80, tokens=2_000_000, seconds=120.0),
        )
        for told in stories()
    )
