"""Application ids that are the same in every tenant. A flat table of public facts."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FIRST_PARTY"]

FIRST_PARTY: Mapping[str, str] = MappingProxyType(
    {
        "Azure Key Vault": "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
        "Azure Kubernetes Service AAD Server": "6dae42f8-4368-4678-94ff-3960e28e3630",
        "Azure Portal": "c44b4083-3bb0-49c1-b47d-974e53cbdf3c",
        "Azure Storage": "e406a681-f3d4-42a8-90b6-c2b029497af1",
        "Microsoft Azure CLI": "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
        "Microsoft Azure PowerShell": "1950a258-227b-4e31-a9cf-717495945fc2",
        "Microsoft Graph": "00000003-0000-0000-c000-000000000000",
        "Microsoft Graph Command Line Tools": "14d82eec-204b-4c2f-b7e8-296a70dab67e",
        "Microsoft Office": "d3590ed6-52b3-4102-aeff-aad2292ab01c",
        "Microsoft Teams": "1fec8e78-bce4-4aaf-ab1b-5451cc387264",
        "Office 365 Exchange Online": "00000002-0000-0ff1-ce00-000000000000",
        "Office 365 SharePoint Online": "00000003-0000-0ff1-ce00-000000000000",
        "OfficeHome": "4765445b-32c6-49b0-83e6-1d93765276ca",
        "One Outlook Web": "9199bf20-a13f-4107-85dc-02114787ef48",
        "Outlook Mobile": "27922004-5251-4030-b22d-91ecd9a37ea4",
        "Windows Azure Active Directory": "00000002-0000-0000-c000-000000000000",
        "Windows Azure Service Management API": "797f4846-ba00-4fd7-ba43-dac1f8f63013",
    }
)
"""Display name to application id."""
