"""Keys of storage accounts are listed, and blobs fetched with them.

The intrusion's reads carry a key that a person listed from an unfamiliar address, come from a
public address that is new since, and fetch blobs. Each kind of look-alike lacks exactly one of the
three.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fleetgym_env_cti_realm.stories.plot import Plot
from fleetgym_estate.drawing import azure_ip, one, some
from fleetgym_estate.event import Event
from fleetgym_estate.telemetry.draw import guid

if TYPE_CHECKING:
    from numpy.random import Generator

    from fleetgym_estate.estate import Estate, StorageAccount

__all__ = ["draw"]

_LIST_KEYS = "MICROSOFT.STORAGE/STORAGEACCOUNTS/LISTKEYS/ACTION"
_CLIENTS = (
    "AzCopy/10.25.1 azsdk-go-azblob/v1.3.2 (go1.22.5; linux)",
    "rclone/v1.67.0",
    "azsdk-python-storage-blob/12.20.0 Python/3.11.9 (Linux-6.1.0-x86_64)",
    "Microsoft Azure Storage Explorer, 1.34.0, win32, azcopy-node, 2.0.0",
    "azsdk-java-azure-storage-blob/12.26.1 (17.0.11; Linux; 5.15.0)",
    "curl/8.5.0",
)
_STEMS = (
    *("customers", "dump", "export", "payroll", "contracts", "users", "ledger", "tickets"),
    *("invoices", "employees", "claims", "crm", "backup-full", "orders", "partners"),
)
_ENDINGS = ("bak", "tar.gz", "zip", "parquet", "sql.gz", "7z", "csv", "pst")
_LOOKS = (
    ("ListContainers", "/?comp=list"),
    ("ListBlobs", "/{container}?restype=container&comp=list"),
    ("GetContainerProperties", "/{container}?restype=container"),
    ("GetBlobProperties", "/{container}/{blob}"),
    ("GetBlobMetadata", "/{container}/{blob}?comp=metadata"),
    ("PutBlob", "/{container}/{blob}"),
)


def draw(estate: Estate, rng: Generator) -> Plot:
    """Draw the intrusion and its look-alikes."""
    scene = _Scene(estate, rng)
    accounts = some(rng, estate.storage_accounts, 8)
    count = 1 + int(rng.integers(0, 2))
    robbed = accounts[:count]
    address = scene.intrude(robbed)
    for account in accounts[2:4]:
        scene.partner(account)
    for account in accounts[4:6]:
        scene.on_the_road(account)
    for account in accounts[6:8]:
        scene.looking(account)
    return Plot(
        events=scene.events,
        patterns={
            "CallerIpAddress": f"^{re.escape(address)}:",
            "OperationName": "^GetBlob$",
            "AccountName": "|".join(f"^{account.name}$" for account in robbed),
        },
    )


class _Scene:
    """Events as they come to be."""

    def __init__(self, estate: Estate, rng: Generator) -> None:
        self.events: list[Event] = []
        self._estate = estate
        self._rng = rng

    def intrude(self, accounts: list[StorageAccount]) -> str:
        """Let the intruder list keys, look around and fetch; return where from."""
        rng = self._rng
        entry, address, at = self._address(), self._address(), self._when(14, 38)
        admin = one(rng, self._estate.administrators).upn
        for index, account in enumerate(accounts):
            self._list_keys(account, at + timedelta(seconds=40 * index), admin, entry)
        total = int(rng.integers(5, 10))
        at += timedelta(minutes=float(rng.uniform(8, 180)))
        for index, account in enumerate(accounts):
            client = one(rng, _CLIENTS)
            at = self._look(account, at, address, client, 2)
            count = total // len(accounts) + (index < total % len(accounts))
            at = self._fetch(account, at, address, client, count, asked_for=True)
            at += timedelta(minutes=float(rng.uniform(1, 20)))
        return address

    def partner(self, account: StorageAccount) -> None:
        """A partner with a key of long ago, on a new server."""
        at, address = self._when(10, 40), self._address()
        client = one(self._rng, _CLIENTS)
        at = self._look(account, at, address, client, 1)
        self._fetch(account, at, address, client, int(self._rng.integers(6, 9)))

    def on_the_road(self, account: StorageAccount) -> None:
        """An administrator lists keys elsewhere; the job runs where it always does."""
        rng, address = self._rng, self._address()
        client = one(rng, _CLIENTS)
        for hours in (0.2, 5):
            self._fetch(account, self._when(hours, hours + 3), address, client, 2)
        at = self._when(14, 38)
        self._list_keys(account, at, one(rng, self._estate.administrators).upn, self._address())
        at += timedelta(minutes=float(rng.uniform(8, 180)))
        self._fetch(account, at, address, client, int(rng.integers(3, 6)))

    def looking(self, account: StorageAccount) -> None:
        """A contractor gets a key and looks or uploads, but fetches nothing."""
        rng, at = self._rng, self._when(14, 38)
        self._list_keys(account, at, one(rng, self._estate.administrators).upn, self._address())
        at += timedelta(minutes=float(rng.uniform(8, 180)))
        count = int(rng.integers(6, 9))
        self._look(account, at, self._address(), one(rng, _CLIENTS), count)

    def _address(self) -> str:
        """Return an address of an access network or of a cloud that nothing uses."""
        rng = self._rng
        return one(rng, (*self._estate.outside_ips(rng, 1), azure_ip(rng)))

    def _when(self, first_h: float, last_h: float) -> datetime:
        hours = float(self._rng.uniform(first_h, last_h))
        return self._estate.start + timedelta(hours=hours)

    def _list_keys(self, account: StorageAccount, at: datetime, upn: str, ip: str) -> None:
        correlation = guid(self._rng)
        for status, later in (("Start", 0.0), ("Success", float(self._rng.uniform(0.3, 4)))):
            values = {
                "TimeGenerated": at + timedelta(seconds=later),
                "OperationNameValue": _LIST_KEYS,
                "ActivityStatusValue": status,
                "Caller": upn,
                "CallerIpAddress": ip,
                "CorrelationId": correlation,
                "ResourceId": account.resource_id,
            }
            self.events.append(Event(table="AzureActivity", values=values))

    def _look(
        self, account: StorageAccount, at: datetime, address: str, client: str, count: int
    ) -> datetime:
        """Request what does not fetch a blob; return when that was done."""
        for index in range(count):
            at += timedelta(seconds=float(self._rng.uniform(1, 60)))
            operation, path = _LOOKS[index] if count < 3 else one(self._rng, _LOOKS)
            self._request(account, at, address, client, (operation, path))
        return at

    def _fetch(
        self,
        account: StorageAccount,
        at: datetime,
        address: str,
        client: str,
        count: int,
        *,
        asked_for: bool = False,
    ) -> datetime:
        """Fetch blobs; return when that was done."""
        for _ in range(count):
            at += timedelta(seconds=float(self._rng.uniform(2, 240)))
            request = ("GetBlob", "/{container}/{blob}")
            self._request(account, at, address, client, request, asked_for=asked_for)
        return at

    def _request(
        self,
        account: StorageAccount,
        at: datetime,
        address: str,
        client: str,
        request: tuple[str, str],
        *,
        asked_for: bool = False,
    ) -> None:
        rng = self._rng
        operation, path = request
        stem, ending = one(rng, _STEMS), one(rng, _ENDINGS)
        words = {
            "container": one(rng, account.containers),
            "blob": f"{self._estate.start:%Y/%m}/{stem}-{rng.integers(1, 400):03d}.{ending}",
        }
        codes = {"GetBlob": one(rng, ("200", "206")), "PutBlob": "201"}
        values = {
            "TimeGenerated": at,
            "AccountName": account.name,
            "OperationName": operation,
            "StatusCode": codes.get(operation, "200"),
            "AuthenticationType": "AccountKey",
            "CallerIpAddress": f"{address}:{rng.integers(1024, 61_000)}",
            "Uri": f"https://{account.name}.blob.core.windows.net:443{path.format(**words)}",
            "UserAgentHeader": client,
        }
        self.events.append(Event(table="StorageBlobLogs", values=values, asked_for=asked_for))
