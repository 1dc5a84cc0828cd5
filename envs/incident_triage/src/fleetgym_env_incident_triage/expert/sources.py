"""Where each rule's rows are, and who, from where, on what and with what effect they show.

What the runbooks say in words, as KQL. Every query gives the columns Time, Id, Source (the table),
Account, Origin, Asset, Detail and Effect.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetgym_env_incident_triage.expert.craft import kql_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["SOURCES", "Source", "families", "together"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """How to read a rule's rows."""

    activity: str
    """In the calendar."""

    query: str
    """Takes a table's rows to the common columns."""

    variants: Sequence[tuple[str, str]]
    """Pattern in an act's details, and the technique it means; the first that fits, or the last."""

    about_origins: bool = False
    tables: Sequence[str] = ()
    has_asset: bool = True

    def technique(self, details: Sequence[str]) -> str:
        """Return the technique that the details of an act show."""
        text = "\n".join(details)
        *others, (_, last) = self.variants
        return next((name for pattern, name in others if re.search(pattern, text)), last)


_SHELL = """DeviceProcessEvents
| where isnotempty(InitiatingProcessRemoteSessionIP) and InitiatingProcessFileName == "bash"
| where {condition}
| project Time = Timestamp, Id = tostring(ReportId), Source = "DeviceProcessEvents",
    Account = InitiatingProcessAccountName, Origin = InitiatingProcessRemoteSessionIP,
    Asset = DeviceName, Detail = ProcessCommandLine, Effect = {effect}"""


def _shell(condition: str, effect: str = "true") -> str:
    return _SHELL.format(condition=condition, effect=effect)


_AKS = """union AKSAudit, AKSAuditAdmin
| extend Resource = tostring(ObjectRef.resource), Subresource = tostring(ObjectRef.subresource)
| where {condition}
| project Time = TimeGenerated, Id = AuditId, Source = Type, Account = tostring(User.username),
    Origin = tostring(SourceIps[0]), Asset = tostring(split(_ResourceId, "/")[-1]),
    Detail = strcat(Verb, " ", Resource), Effect = toint(ResponseStatus.code) < 400"""

_LOOKS = 'not(ProcessCommandLine matches regex "^(sudo )?(ls|stat|chmod|test) ")'
_PATHS = '"/etc/cron.d/", "/etc/systemd/system/", "authorized_keys"'
_FILES = (
    '"/etc/shadow", "id_rsa", "id_ed25519", "/.env", ".aws/credentials", ".pgpass", "settings.py"'
)
_LOGS = '"auditctl", "auditd", "/var/log/", ".bash_history"'
_LOG_LOOKS = (
    'not(ProcessCommandLine matches regex "auditctl -[sl]|systemctl status|^(sudo )?(tail|wc) ")'
)

SOURCES = {
    "linux-remote-session": Source(
        activity="remote session",
        about_origins=True,
        tables=("DeviceProcessEvents",),
        query="""DeviceProcessEvents
| where InitiatingProcessFileName == "sshd" and ProcessCommandLine == "-bash"
| project Time = Timestamp, Id = tostring(ReportId), Source = "DeviceProcessEvents",
    Account = InitiatingProcessAccountName, Origin = InitiatingProcessRemoteSessionIP,
    Asset = DeviceName, Detail = InitiatingProcessRemoteSessionIP, Effect = true""",
        variants=((r"^10\.", "T1021.004"), ("", "T1133")),
    ),
    "linux-autostart": Source(
        activity="start-up configuration",
        query=_shell(
            f"ProcessCommandLine has_any ({_PATHS})",
            r'ProcessCommandLine matches regex " /(etc/cron\\.d|etc/systemd|home)/"',
        ),
        variants=(
            (r"/etc/cron\.d/", "T1053.003"),
            ("/etc/systemd/system/", "T1543.002"),
            ("authorized_keys", "T1098.004"),
        ),
    ),
    "linux-credentials": Source(
        activity="credential maintenance",
        query=_shell(f"ProcessCommandLine has_any ({_FILES})", _LOOKS),
        variants=(
            ("/etc/shadow", "T1003.008"),
            (r"id_rsa|id_ed25519", "T1552.004"),
            ("", "T1552.001"),
        ),
    ),
    "linux-outbound-copy": Source(
        activity="data transfer",
        query=_shell(
            'FileName in ("curl", "rclone", "scp", "tar", "zip", "pg_dump")',
            'not(ProcessCommandLine has "--dry-run" or ProcessCommandLine has {company})',
        ),
        variants=(
            ("rclone", "T1567.002"),
            ("ftp://", "T1048.003"),
            ("https://|scp", "T1048.002"),
        ),
    ),
    "linux-log-tampering": Source(
        activity="log maintenance",
        query=_shell(f"ProcessCommandLine has_any ({_LOGS})", _LOG_LOOKS),
        variants=(
            ("auditctl|auditd", "T1562.012"),
            ("bash_history", "T1070.003"),
            ("/var/log/", "T1070.002"),
        ),
    ),
    "aks-unusual-origin": Source(
        activity="cluster access",
        about_origins=True,
        query=_AKS.format(
            condition='Resource == "selfsubjectrulesreviews" or '
            '(Verb == "list" and Resource in ("namespaces", "pods"))'
        ),
        variants=(("", "T1078.004"),),
    ),
    "aks-pod-exec": Source(
        activity="pod debugging",
        query=_AKS.format(condition='Verb == "create" and Subresource == "exec"'),
        variants=(("", "T1609"),),
    ),
    "aks-secrets-read": Source(
        activity="secret rotation",
        query=_AKS.format(condition='Resource == "secrets" and Verb in ("get", "list")'),
        variants=(("", "T1552.007"),),
    ),
    "aks-lasting-object": Source(
        activity="workload rollout",
        query=_AKS.format(
            condition='Verb == "create" and Resource in '
            '("cronjobs", "daemonsets", "clusterrolebindings")'
        ),
        variants=(
            ("cronjobs", "T1053.007"),
            ("daemonsets", "T1543.005"),
            ("clusterrolebindings", "T1098.006"),
        ),
    ),
    "cloud-unusual-sign-in": Source(
        activity="travel",
        about_origins=True,
        has_asset=False,
        query="""SignInLogs
| project Time = TimeGenerated, Id, Source = "SignInLogs", Account = UserPrincipalName,
    Origin = IPAddress, Asset = UserPrincipalName, Detail = ResultType,
    Effect = ResultType == "0\"""",
        variants=(("", "T1078.004"),),
    ),
    "cloud-directory-change": Source(
        activity="directory administration",
        has_asset=False,
        query="""AuditLogs
| where isnotempty(tostring(InitiatedBy.user.userPrincipalName))
| where OperationName has_any ("secrets management", "Add member to role", "security info")
| project Time = TimeGenerated, Id, Source = "AuditLogs",
    Account = tostring(InitiatedBy.user.userPrincipalName),
    Origin = tostring(InitiatedBy.user.ipAddress),
    Asset = tostring(TargetResources[0].displayName),
    Detail = OperationName, Effect = Result == "success\"""",
        variants=(
            ("secrets management", "T1098.001"),
            ("member to role", "T1098.003"),
            ("security info", "T1098.005"),
        ),
    ),
    "cloud-principal-sign-in": Source(
        activity="runner migration",
        about_origins=True,
        has_asset=False,
        query="""AADServicePrincipalSignInLogs
| project Time = TimeGenerated, Id, Source = "AADServicePrincipalSignInLogs", Account = AppId,
    Origin = IPAddress, Asset = ServicePrincipalName, Detail = ResultType,
    Effect = ResultType == "0\"""",
        variants=(("", "T1021.007"),),
    ),
    "cloud-vault-harvest": Source(
        activity="secret rotation",
        query="""AzureDiagnostics
| where OperationName == "SecretGet"
| project Time = TimeGenerated, Id = CorrelationId, Source = "AzureDiagnostics",
    Account = iff(isnotempty(identity_claim_upn_s), identity_claim_upn_s, identity_claim_appid_g),
    Origin = CallerIPAddress, Asset = tolower(Resource), Detail = id_s,
    Effect = httpStatusCode_d < 400""",
        variants=(("", "T1555.006"),),
    ),
    "cloud-blob-download": Source(
        activity="data transfer",
        query="""StorageBlobLogs
| where OperationName == "GetBlob" and AuthenticationType == "OAuth"
| project Time = TimeGenerated, Id = CorrelationId, Source = "StorageBlobLogs",
    Account = iff(isnotempty(RequesterUpn), RequesterUpn, RequesterAppId),
    Origin = tostring(split(CallerIpAddress, ":")[0]), Asset = AccountName, Detail = Uri,
    Effect = toint(StatusCode) < 400""",
        variants=(("", "T1530"),),
    ),
    "cloud-mailbox-rule": Source(
        activity="mailbox administration",
        has_asset=False,
        query="""OfficeActivity
| where Operation == "New-InboxRule"
| project Time = TimeGenerated, Id = SourceRecordId, Source = "OfficeActivity", Account = UserId,
    Origin = ClientIP, Asset = UserId, Detail = Parameters,
    Effect = Parameters has "DeleteMessage" or Parameters has "MoveToFolder"
      or not(Parameters has {company})""",
        variants=(("ForwardTo", "T1114.003"), ("", "T1564.008")),
    ),
}
"""By rule."""


def families(rules: Iterable[str]) -> list[list[str]]:
    """Return the rules by platform, in the order of :data:`SOURCES`."""
    wanted = set(rules)
    found: dict[str, list[str]] = {}
    for rule in SOURCES:
        if rule in wanted:
            found.setdefault(rule.partition("-")[0], []).append(rule)
    return list(found.values())


def together(rules: Sequence[str], company: str) -> str:
    """Return one query for the rows of several rules, with the column Rule.

    Args:
        rules: At least one.
        company: The domain that is the company's own.
    """
    parts = [
        f'{SOURCES[rule].query.replace("{company}", kql_text(company))}\n| extend Rule = "{rule}"'
        for rule in rules
    ]
    if len(parts) == 1:
        return parts[0]
    return "union\n" + ",\n".join(f"({part})" for part in parts)
