"""The twelve tables: their columns and types, after the public Microsoft schemas.

A flat table. Of each schema these are the columns that an ordinary tenant fills and those that a
detection engineer asks for; dynamic columns are JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TABLES", "TIME_COLUMN", "Column"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a telemetry table."""

    name: str
    type: str
    """DuckDB's: VARCHAR, TIMESTAMP, BIGINT, DOUBLE, BOOLEAN or JSON."""


_TYPES = {
    "s": "VARCHAR",
    "t": "TIMESTAMP",
    "i": "BIGINT",
    "d": "DOUBLE",
    "b": "BOOLEAN",
    "j": "JSON",
}


def _columns(text: str) -> tuple[Column, ...]:
    """Read ``Name`` (VARCHAR) or ``Name:type letter`` words."""
    words = (word.partition(":") for word in text.split())
    return tuple(Column(name, _TYPES[letter or "s"]) for name, _, letter in words)


_AKS = _columns(
    "TimeGenerated:t Level AuditId Stage RequestUri Verb User:j SourceIps:j UserAgent"
    " ObjectRef:j ResponseStatus:j RequestObject:j ResponseObject:j"
    " RequestReceivedTime:t StageReceivedTime:t Annotations:j PodName SourceSystem TenantId Type"
    " _ResourceId _SubscriptionId"
)

_TABLES: dict[str, tuple[Column, ...]] = {
    "AADServicePrincipalSignInLogs": _columns(
        "TimeGenerated:t OperationName OperationVersion Category ResultType ResultSignature"
        " ResultDescription DurationMs:i CorrelationId Identity Level Location AppId"
        " AuthenticationProcessingDetails ConditionalAccessPolicies ConditionalAccessStatus"
        " FederatedCredentialId Id IPAddress LocationDetails ResourceDisplayName ResourceGroup"
        " ResourceIdentity ResourceServicePrincipalId ServicePrincipalCredentialKeyId"
        " ServicePrincipalCredentialThumbprint ServicePrincipalId ServicePrincipalName"
        " UniqueTokenIdentifier SourceSystem TenantId Type"
    ),
    "AKSAudit": _AKS,
    "AKSAuditAdmin": _AKS,
    "AuditLogs": _columns(
        "TimeGenerated:t ResourceId OperationName OperationVersion Category ResultType"
        " ResultSignature ResultDescription DurationMs:i CorrelationId Resource ResourceGroup"
        " ResourceProvider Identity Level Location AdditionalDetails:j Id InitiatedBy:j"
        " LoggedByService Result ResultReason TargetResources:j AADTenantId ActivityDisplayName"
        " ActivityDateTime:t AADOperationType SourceSystem TenantId Type"
    ),
    "AzureActivity": _columns(
        "TimeGenerated:t OperationName OperationNameValue Level ActivityStatus"
        " ActivityStatusValue ActivitySubstatus ActivitySubstatusValue ResourceGroup"
        " SubscriptionId CorrelationId Caller CallerIpAddress Category CategoryValue HTTPRequest"
        " Properties Properties_d:j EventSubmissionTimestamp:t Authorization Authorization_d:j"
        " ResourceId OperationId ResourceProvider ResourceProviderValue Resource Claims Claims_d:j"
        " EventDataId Hierarchy SourceSystem TenantId Type _ResourceId _SubscriptionId"
    ),
    "AzureDiagnostics": _columns(
        "TimeGenerated:t ResourceId Category ResourceGroup SubscriptionId ResourceProvider Resource"
        " ResourceType OperationName OperationVersion ResultType ResultSignature ResultDescription"
        " DurationMs:i CallerIPAddress CorrelationId Level identity_claim_appid_g"
        " identity_claim_oid_g identity_claim_upn_s id_s"
        " clientInfo_s requestUri_s httpStatusCode_d:d isAccessPolicyMatch_b:b isRbacAuthorized_b:b"
        " tlsVersion_s msg_s SourceSystem TenantId Type"
        " _ResourceId"
    ),
    "DeviceFileEvents": _columns(
        "Timestamp:t DeviceId DeviceName ActionType FileName FolderPath SHA1 SHA256 MD5 FileSize:i"
        " FileOriginUrl PreviousFolderPath PreviousFileName InitiatingProcessAccountDomain"
        " InitiatingProcessAccountName InitiatingProcessAccountSid InitiatingProcessAccountUpn"
        " InitiatingProcessMD5 InitiatingProcessSHA1 InitiatingProcessSHA256"
        " InitiatingProcessFolderPath InitiatingProcessFileName InitiatingProcessFileSize:i"
        " InitiatingProcessId:i InitiatingProcessCommandLine InitiatingProcessCreationTime:t"
        " InitiatingProcessIntegrityLevel InitiatingProcessTokenElevation"
        " InitiatingProcessParentId:i InitiatingProcessParentFileName"
        " InitiatingProcessParentCreationTime:t RequestProtocol RequestSourceIP RequestAccountName"
        " ShareName ReportId:i AdditionalFields InitiatingProcessSessionId:i"
        " IsInitiatingProcessRemoteSession:b InitiatingProcessRemoteSessionIP"
    ),
    "DeviceProcessEvents": _columns(
        "Timestamp:t DeviceId DeviceName ActionType FileName FolderPath SHA1 SHA256 MD5 FileSize:i"
        " ProcessId:i ProcessCommandLine ProcessIntegrityLevel ProcessTokenElevation"
        " ProcessCreationTime:t AccountDomain AccountName AccountSid AccountUpn LogonId:i"
        " InitiatingProcessAccountDomain InitiatingProcessAccountName InitiatingProcessAccountSid"
        " InitiatingProcessLogonId:i InitiatingProcessIntegrityLevel"
        " InitiatingProcessTokenElevation InitiatingProcessSHA1 InitiatingProcessSHA256"
        " InitiatingProcessMD5 InitiatingProcessFileName InitiatingProcessFileSize:i"
        " InitiatingProcessId:i InitiatingProcessCommandLine InitiatingProcessCreationTime:t"
        " InitiatingProcessFolderPath InitiatingProcessParentId:i InitiatingProcessParentFileName"
        " InitiatingProcessParentCreationTime:t ReportId:i AdditionalFields"
        " InitiatingProcessSessionId:i IsInitiatingProcessRemoteSession:b"
        " InitiatingProcessRemoteSessionIP CreatedProcessSessionId:i"
    ),
    "MicrosoftGraphActivityLogs": _columns(
        "TimeGenerated:t AadTenantId ApiVersion AppId ClientAuthMethod:i ClientRequestId"
        " DurationMs:i IdentityProvider IPAddress Location OperationId RequestId RequestMethod"
        " RequestUri ResponseSizeBytes:i ResponseStatusCode:i Roles Scopes ServicePrincipalId"
        " SignInActivityId SourceSystem TenantId TokenIssuedAt:t Type UserAgent UserId Wids"
    ),
    "OfficeActivity": _columns(
        "TimeGenerated:t RecordType Operation OrganizationId UserType UserKey OfficeWorkload"
        " ResultStatus OfficeObjectId UserId ClientIP Client_IPAddress ClientInfoString Logon_Type"
        " InternalLogonType:i MailboxGuid MailboxOwnerUPN LogonUserSid Parameters"
        " ModifiedProperties Folders AffectedItems Item ExternalAccess:b OriginatingServer"
        " OrganizationName AppId ClientAppId Site_Url SourceFileName"
        " SourceFileExtension SourceRelativeUrl ItemType EventSource UserAgent TeamName ChannelName"
        " UserSharedWith SourceRecordId OfficeId OfficeTenantId SourceSystem TenantId Type"
    ),
    "SignInLogs": _columns(
        "TimeGenerated:t ResourceId OperationName OperationVersion Category ResultType"
        " ResultSignature ResultDescription DurationMs:i CorrelationId"
        " Identity Level Location AppDisplayName AppId AuthenticationDetails"
        " AuthenticationProtocol AuthenticationRequirement AutonomousSystemNumber ClientAppUsed"
        " ConditionalAccessPolicies:j ConditionalAccessStatus CreatedDateTime:t"
        " DeviceDetail:j Id IPAddress IsInteractive:b"
        " IsRisky:b LocationDetails:j MfaDetail:j OriginalRequestId ResourceDisplayName"
        " ResourceIdentity ResourceTenantId RiskDetail RiskEventTypes_V2 RiskLevelAggregated"
        " RiskLevelDuringSignIn RiskState Status:j UniqueTokenIdentifier UserAgent"
        " UserDisplayName UserId UserPrincipalName UserType AADTenantId SourceSystem TenantId Type"
    ),
    "StorageBlobLogs": _columns(
        "TimeGenerated:t AccountName Location Protocol OperationName AuthenticationType"
        " AuthenticationHash AuthorizationDetails:j StatusCode StatusText DurationMs:d"
        " ServerLatencyMs:d Uri CallerIpAddress CorrelationId SchemaVersion OperationVersion"
        " RequesterObjectId RequesterTenantId RequesterAppId RequesterAudience"
        " RequesterTokenIssuer RequesterUpn ServiceType ObjectKey OperationCount:i"
        " RequestHeaderSize:i RequestBodySize:i ResponseHeaderSize:i ResponseBodySize:i RequestMd5"
        " ContentLengthHeader:i Etag LastModifiedTime:t ConditionsUsed UserAgentHeader"
        " ReferrerHeader ClientRequestId AccessTier TlsVersion MetricResponseType Category"
        " SourceSystem TenantId Type _ResourceId _SubscriptionId"
    ),
}

TABLES: Mapping[str, tuple[Column, ...]] = MappingProxyType(_TABLES)
"""Columns of each table, in order."""

TIME_COLUMN: Mapping[str, str] = MappingProxyType(
    {
        table: "Timestamp" if table.startswith("Device") else "TimeGenerated"
        for table in sorted(_TABLES)
    }
)
"""When each table's events happened, in UTC."""
