"""Which tables hold a Sigma log source, and what the taxonomy's fields are called there.

A flat table. Every name on the right is tried against the columns that the tables really have, so
one that a table lacks costs nothing; several names mean that any of them may hold the value. Native
column names need no entry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Source", "known_sources", "source_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the events of one log source are."""

    tables: tuple[str, ...]
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Lower-case field of the taxonomy to columns, or dotted paths into dynamic columns."""

    actions: tuple[str, ...] = ()
    """Values of ``ActionType`` that belong to it; empty for all."""

    paths: str = ""
    """Regular expression that ``FolderPath`` has to begin with, where a table holds the events of
    several operating systems; empty for any.
    """


_PROCESS = Source(
    tables=("DeviceProcessEvents",),
    aliases={
        "image": ("FolderPath",),
        "originalfilename": ("ProcessVersionInfoOriginalFileName",),
        "company": ("ProcessVersionInfoCompanyName",),
        "product": ("ProcessVersionInfoProductName",),
        "description": ("ProcessVersionInfoFileDescription",),
        "fileversion": ("ProcessVersionInfoProductVersion",),
        "commandline": ("ProcessCommandLine",),
        "user": ("AccountName",),
        "logonid": ("LogonId",),
        "integritylevel": ("ProcessIntegrityLevel",),
        "parentimage": ("InitiatingProcessFolderPath",),
        "parentcommandline": ("InitiatingProcessCommandLine",),
        "parentprocessid": ("InitiatingProcessId",),
        "parentuser": ("InitiatingProcessAccountName",),
        "hashes": ("SHA256", "SHA1", "MD5"),
        "sha256": ("SHA256",),
        "sha1": ("SHA1",),
        "md5": ("MD5",),
        "computer": ("DeviceName",),
        "computername": ("DeviceName",),
        "hostname": ("DeviceName",),
        "utctime": ("Timestamp",),
    },
)

_FILE_ALIASES = {
    "targetfilename": ("FolderPath",),
    "sourcefilename": ("PreviousFolderPath", "PreviousFileName"),
    "image": ("InitiatingProcessFolderPath",),
    "commandline": ("InitiatingProcessCommandLine",),
    "processid": ("InitiatingProcessId",),
    "parentimage": ("InitiatingProcessParentFileName",),
    "parentprocessid": ("InitiatingProcessParentId",),
    "user": ("InitiatingProcessAccountName", "RequestAccountName"),
    "hashes": ("SHA256", "SHA1", "MD5"),
    "computer": ("DeviceName",),
    "computername": ("DeviceName",),
    "hostname": ("DeviceName",),
    "utctime": ("Timestamp",),
}


_WINDOWS_PATH = r"(?:[A-Za-z]:|\\\\|\\Device\\)"
"""A drive, a share or a device."""


def _files(*actions: str, paths: str = "") -> Source:
    return Source(tables=("DeviceFileEvents",), aliases=_FILE_ALIASES, actions=actions, paths=paths)


_KUBERNETES = Source(
    tables=("AKSAudit", "AKSAuditAdmin"),
    aliases={
        "apigroup": ("ObjectRef.apiGroup",),
        "namespace": ("ObjectRef.namespace",),
        "username": ("User.username",),
        "sourceips": ("SourceIps",),
        "auditid": ("AuditId",),
        "capabilities": (
            "RequestObject.spec.containers.securityContext.capabilities.add",
            "RequestObject.spec.template.spec.containers.securityContext.capabilities.add",
        ),
        "hostpath": (
            "RequestObject.spec.volumes.hostPath",
            "RequestObject.spec.template.spec.volumes.hostPath",
        ),
        "requestreceivedtimestamp": ("RequestReceivedTime",),
        "stagetimestamp": ("StageReceivedTime",),
    },
)

_AZURE = {
    "correlationid": ("CorrelationId",),
    "time": ("TimeGenerated",),
    "resourceid": ("ResourceId", "_ResourceId"),
    "tenantid": ("AADTenantId", "TenantId"),
}

_ACTIVITY = Source(
    tables=("AzureActivity",),
    aliases={
        **_AZURE,
        "operationname": ("OperationNameValue", "OperationName"),
        "properties.message": ("OperationNameValue", "OperationName"),
        "category": ("CategoryValue", "Category"),
        "status": ("ActivityStatusValue", "ActivityStatus"),
        "resulttype": ("ActivityStatusValue", "ActivityStatus"),
        "substatus": ("ActivitySubstatusValue", "ActivitySubstatus"),
        "calleripaddress": ("CallerIpAddress",),
        "resourceprovider": ("ResourceProviderValue", "ResourceProvider"),
        "identity.authorization": ("Authorization_d", "Authorization"),
        "identity.claims": ("Claims_d", "Claims"),
    },
)

_DIRECTORY_AUDIT = Source(
    tables=("AuditLogs",),
    aliases={
        **_AZURE,
        "properties.message": ("OperationName", "ActivityDisplayName"),
        "activity": ("ActivityDisplayName", "OperationName"),
        "activitytype": ("ActivityDisplayName", "OperationName"),
        "status": ("Result",),
        "initiator": ("InitiatedBy", "Identity"),
        "target": ("TargetResources",),
        "modifiedproperties": ("TargetResources.modifiedProperties",),
    },
)

_SIGN_IN_ALIASES = {
    **_AZURE,
    "applicationid": ("AppId",),
    "application": ("AppDisplayName",),
    "clientapp": ("ClientAppUsed",),
    "username": ("UserPrincipalName", "ServicePrincipalName"),
    "user": ("UserPrincipalName", "ServicePrincipalName"),
    "useragent": ("UserAgent",),
    "ipaddress": ("IPAddress",),
    "ip": ("IPAddress",),
    "errorcode": ("ResultType",),
    "status.errorcode": ("ResultType",),
    "resourceid": ("ResourceIdentity", "ResourceId"),
    "riskeventtype": ("RiskEventTypes_V2", "RiskEventTypes"),
}

_OFFICE = Source(
    tables=("OfficeActivity",),
    aliases={
        "eventname": ("Operation",),
        "eventsource": ("OfficeWorkload",),
        "workload": ("OfficeWorkload",),
        "status": ("ResultStatus",),
        "username": ("UserId",),
        "user": ("UserId",),
        "clientipaddress": ("ClientIP", "Client_IPAddress"),
        "objectid": ("OfficeObjectId",),
        "payload": ("Parameters", "OperationProperties", "ModifiedProperties"),
    },
)

_BLOBS = Source(
    tables=("StorageBlobLogs",),
    aliases={
        **_AZURE,
        "status": ("StatusText", "StatusCode"),
        "calleripaddress": ("CallerIpAddress",),
        "useragent": ("UserAgentHeader",),
    },
)

_GRAPH = Source(
    tables=("MicrosoftGraphActivityLogs",),
    aliases={
        **_AZURE,
        "requesturl": ("RequestUri",),
        "method": ("RequestMethod",),
        "status": ("ResponseStatusCode",),
        "applicationid": ("AppId",),
        "useragent": ("UserAgent",),
        "ip": ("IPAddress",),
    },
)

_DIAGNOSTICS = Source(
    tables=("AzureDiagnostics",), aliases={**_AZURE, "calleripaddress": ("CallerIPAddress",)}
)

_SOURCES: Mapping[tuple[str, str], Source] = {
    ("linux", "process_creation"): _PROCESS,
    ("linux", "file_event"): _files(),
    ("linux", "file_create"): _files("FileCreated"),
    ("linux", "file_change"): _files("FileModified"),
    ("linux", "file_delete"): _files("FileDeleted"),
    ("linux", "file_rename"): _files("FileRenamed"),
    ("windows", "process_creation"): replace(_PROCESS, paths=_WINDOWS_PATH),
    ("windows", "file_event"): _files(paths=_WINDOWS_PATH),
    ("windows", "file_change"): _files("FileModified", paths=_WINDOWS_PATH),
    ("windows", "file_delete"): _files("FileDeleted", paths=_WINDOWS_PATH),
    ("windows", "file_rename"): _files("FileRenamed", paths=_WINDOWS_PATH),
    ("kubernetes", "audit"): _KUBERNETES,
    ("kubernetes", "application"): _KUBERNETES,
    ("azure", "aksaudit"): Source(tables=("AKSAudit",), aliases=_KUBERNETES.aliases),
    ("azure", "aksauditadmin"): Source(tables=("AKSAuditAdmin",), aliases=_KUBERNETES.aliases),
    ("azure", "kube_audit"): _KUBERNETES,
    ("azure", "activitylogs"): _ACTIVITY,
    ("azure", "azureactivity"): _ACTIVITY,
    ("azure", "auditlogs"): _DIRECTORY_AUDIT,
    ("azure", "signinlogs"): Source(tables=("SignInLogs",), aliases=_SIGN_IN_ALIASES),
    ("azure", "serviceprincipalsigninlogs"): Source(
        tables=("AADServicePrincipalSignInLogs",), aliases=_SIGN_IN_ALIASES
    ),
    ("azure", "aadserviceprincipalsigninlogs"): Source(
        tables=("AADServicePrincipalSignInLogs",), aliases=_SIGN_IN_ALIASES
    ),
    ("azure", "microsoftgraphactivitylogs"): _GRAPH,
    ("azure", "storage"): _BLOBS,
    ("azure", "storagelogs"): _BLOBS,
    ("azure", "storageblob"): _BLOBS,
    ("azure", "storagebloblogs"): _BLOBS,
    ("azure", "diagnostics"): _DIAGNOSTICS,
    ("azure", "diagnosticlogs"): _DIAGNOSTICS,
    ("azure", "azurediagnostics"): _DIAGNOSTICS,
    ("m365", "audit"): _OFFICE,
    ("m365", "exchange"): _OFFICE,
    ("m365", "sharepoint"): _OFFICE,
    ("m365", "threat_detection"): _OFFICE,
    ("m365", "threat_management"): _OFFICE,
}


def source_of(product: str | None, category: str | None, service: str | None) -> Source | None:
    """Return where a log source's events are, or None when nothing here holds them.

    Case, hyphens, underscores and blanks make no difference. A missing product matches every one.
    """
    if product and _plain(product) in {"m365", "office365"}:
        return _OFFICE
    wanted = {_plain(name) for name in (category, service) if name}
    for (known_product, selector), source in _SOURCES.items():
        if product and _plain(product) != known_product:
            continue
        if _plain(selector) in wanted:
            return source
    return None


def known_sources() -> list[str]:
    """Return ``product/category-or-service`` of all that :func:`source_of` knows, sorted."""
    return sorted(f"{product}/{selector}" for product, selector in _SOURCES)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower()
