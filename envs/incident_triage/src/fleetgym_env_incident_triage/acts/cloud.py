"""Acts in the directory, in mailboxes, vaults and storage accounts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fleetgym_env_incident_triage.acts.act import Act, Rule, Written
from fleetgym_estate.drawing import one
from fleetgym_estate.event import Event
from fleetgym_estate.telemetry.draw import compact, guid

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Estate

__all__ = ["RULES"]

_FAILURES = ("50126", "53003", "50074")
_ROLES = (
    "Application Administrator",
    "Security Reader",
    "Exchange Administrator",
    "User Administrator",
)
_STEMS = ("customers", "payroll", "contracts", "ledger", "tickets", "employees", "claims", "orders")
_ENDINGS = ("bak", "tar.gz", "zip", "parquet", "sql.gz", "csv")
_AGENTS = (
    "AzCopy/10.25.1 azsdk-go-azblob/v1.3.2 (go1.22.5; linux)",
    "azsdk-python-storage-blob/12.20.0 Python/3.11.9 (Linux-6.1.0-x86_64)",
    "rclone/v1.67.0",
)
_SUBJECTS = ("invoice", "payment", "wire", "statement", "remittance", "overdue")
_FOLDERS = ("RSS Feeds", "Conversation History", "Archive")
_PRIVATE_MAIL = ("postbay.example", "mailgrove.example", "inboxly.example")


def _sign_in(_estate: Estate, rng: Generator, act: Act) -> Written:
    events: list[Event] = []
    device = compact({"browser": "Chrome 138.0.0", "deviceId": "", "operatingSystem": "Windows 10"})
    failed = int(rng.integers(1, 3)) if act.effective else int(rng.integers(3, 5))
    results = [one(rng, _FAILURES) for _ in range(failed)]
    for index, result in enumerate([*results, *(["0"] if act.effective else [])]):
        values: dict[str, Any] = {
            "TimeGenerated": act.at + timedelta(seconds=20 * index + float(rng.uniform(0, 15))),
            "UserPrincipalName": act.account,
            "IPAddress": act.origin,
            "AppDisplayName": one(rng, ("Azure Portal", "OfficeHome", "Microsoft Teams")),
            "ResultType": result,
            "IsInteractive": True,
            "DeviceDetail": device,
        }
        events.append(Event(table="SignInLogs", values=values, asked_for=True))
    return Written(technique="T1078.004", events=events)


def _directory_change(estate: Estate, rng: Generator, act: Act) -> Written:
    """Change what ``act.thing`` names: an application, a role or a person."""
    apps = {app.display_name: app for app in estate.applications}
    if act.thing in apps:
        app = apps[act.thing]
        technique = "T1098.001"
        operation = "Update application – Certificates and secrets management "  # noqa: RUF001  # as the service spells it
        added = f"[KeyIdentifier={guid(rng)},KeyType=Password,KeyUsage=Verify,DisplayName=]"
        kept = f"[KeyIdentifier={app.key_id},KeyType=Password,KeyUsage=Verify,DisplayName=]"
        target: list[dict[str, Any]] = [
            {
                "displayName": app.display_name,
                "id": app.registration_id,
                "modifiedProperties": [
                    {
                        "displayName": "KeyDescription",
                        "newValue": compact([kept, added]),
                        "oldValue": compact([kept]),
                    }
                ],
                "type": "Application",
            }
        ]
    elif act.thing in estate.employee_by_upn:
        person = estate.employee_by_upn[act.thing]
        technique, operation = "T1098.005", "User registered security info"
        target = [
            {
                "displayName": person.display_name,
                "id": person.object_id,
                "type": "User",
                "userPrincipalName": person.upn,
            }
        ]
    else:
        member = one(rng, estate.employees)
        technique, operation = "T1098.003", "Add member to role"
        target = [
            {"displayName": act.thing, "id": guid(rng), "type": "Role"},
            {
                "displayName": member.display_name,
                "id": member.object_id,
                "type": "User",
                "userPrincipalName": member.upn,
            },
        ]
    values = {
        "TimeGenerated": act.at,
        "OperationName": operation,
        "InitiatedBy": {"user": {"ipAddress": act.origin, "userPrincipalName": act.account}},
        "TargetResources": target,
        "Result": "success" if act.effective else "failure",
    }
    event = Event(table="AuditLogs", values=values, asked_for=True)
    return Written(technique=technique, events=[event])


def _principal_sign_in(_estate: Estate, rng: Generator, act: Act) -> Written:
    failed = int(rng.integers(0, 2)) if act.effective else 2
    results = ["7000215"] * failed + (["0"] * int(rng.integers(1, 3)) if act.effective else [])
    key = guid(rng)
    events = [
        Event(
            table="AADServicePrincipalSignInLogs",
            values={
                "TimeGenerated": act.at + timedelta(seconds=25 * index + float(rng.uniform(0, 15))),
                "AppId": act.account,
                "IPAddress": act.origin,
                "ServicePrincipalCredentialKeyId": key,
                "ResultType": result,
            },
            asked_for=True,
        )
        for index, result in enumerate(results)
    ]
    return Written(technique="T1021.007", events=events)


def _caller(act: Act) -> tuple[bool, str]:
    """Return whether a person acts, who is known by a sign-in name."""
    return "@" in act.account, act.account


def _vault_harvest(estate: Estate, rng: Generator, act: Act) -> Written:
    vault = next(v for v in estate.key_vaults if v.name.lower() == act.asset.lower())
    human, who = _caller(act)
    claim = "identity_claim_upn_s" if human else "identity_claim_appid_g"
    events: list[Event] = []
    for index in range(int(rng.integers(3, 6))):
        values = {
            "TimeGenerated": act.at + timedelta(seconds=12 * index + float(rng.uniform(0, 10))),
            "_ResourceId": vault.resource_id,
            "OperationName": "SecretGet",
            claim: who,
            "CallerIPAddress": act.origin,
            "httpStatusCode_d": 200.0 if act.effective else 403.0,
            "id_s": f"https://{vault.name}.vault.azure.net/secrets/{one(rng, vault.secrets)}",
        }
        events.append(Event(table="AzureDiagnostics", values=values, asked_for=True))
    return Written(technique="T1555.006", events=events)


def _blob_download(estate: Estate, rng: Generator, act: Act) -> Written:
    account = next(a for a in estate.storage_accounts if a.name == act.asset)
    human, who = _caller(act)
    agent = one(rng, _AGENTS)
    events: list[Event] = []
    for index in range(int(rng.integers(4, 7))):
        blob = f"{one(rng, _STEMS)}-{rng.integers(1, 400):03d}.{one(rng, _ENDINGS)}"
        path = f"{one(rng, account.containers)}/{blob}"
        values = {
            "TimeGenerated": act.at + timedelta(seconds=20 * index + float(rng.uniform(0, 18))),
            "AccountName": account.name,
            "OperationName": "GetBlob",
            "StatusCode": "200" if act.effective else "403",
            "AuthenticationType": "OAuth",
            "RequesterUpn" if human else "RequesterAppId": who,
            "CallerIpAddress": f"{act.origin}:{rng.integers(1024, 61_000)}",
            "Uri": f"https://{account.name}.blob.core.windows.net:443/{path}",
            "UserAgentHeader": agent,
        }
        events.append(Event(table="StorageBlobLogs", values=values, asked_for=True))
    return Written(technique="T1530", events=events)


def _mailbox_rule(estate: Estate, rng: Generator, act: Act) -> Written:
    technique = one(rng, ("T1114.003", "T1564.008"))
    rule = {"Name": one(rng, ("x", ".", "rule", "news", "sort")), "StopProcessingRules": "True"}
    rule["SubjectContainsWords"] = one(rng, _SUBJECTS)
    if not act.effective:
        colleagues = [e.upn for e in estate.employees if e.upn != act.account]
        rule["ForwardTo"] = one(rng, colleagues)
    elif technique == "T1114.003":
        stem = act.account.partition("@")[0]
        rule["ForwardTo"] = f"{stem}@{one(rng, _PRIVATE_MAIL)}"
    else:
        rule |= one(rng, ({"DeleteMessage": "True"}, {"MoveToFolder": one(rng, _FOLDERS)}))
    values = {
        "TimeGenerated": act.at.replace(microsecond=0),
        "UserId": act.account,
        "Operation": "New-InboxRule",
        "ClientIP": act.origin,
        "Parameters": compact([{"Name": name, "Value": rule[name]} for name in sorted(rule)]),
    }
    event = Event(table="OfficeActivity", values=values, asked_for=True)
    return Written(technique=technique, events=[event])


_OWNED = frozenset({"approved_change", "emergency_drill", "routine_work"})

RULES = (
    Rule(
        name="cloud-unusual-sign-in",
        title="Sign-in of {entity} from an unusual origin",
        activity="travel",
        write=_sign_in,
        about_origins=True,
        entity="account",
    ),
    Rule(
        name="cloud-directory-change",
        title="Directory object {entity} given more power",
        activity="directory administration",
        write=_directory_change,
        entity="thing",
    ),
    Rule(
        name="cloud-principal-sign-in",
        title="Application {entity} signed in from an unusual origin",
        activity="runner migration",
        write=_principal_sign_in,
        about_origins=True,
        entity="thing",
    ),
    Rule(
        name="cloud-vault-harvest",
        title="Many secrets read from {entity}",
        activity="secret rotation",
        write=_vault_harvest,
        reasons=_OWNED | {"sanctioned_scan"},
    ),
    Rule(
        name="cloud-blob-download",
        title="Many blobs of {entity} read",
        activity="data transfer",
        write=_blob_download,
        reasons=_OWNED,
    ),
    Rule(
        name="cloud-mailbox-rule",
        title="Mailbox rule of {entity} that forwards or hides",
        activity="mailbox administration",
        write=_mailbox_rule,
        entity="account",
    ),
)
