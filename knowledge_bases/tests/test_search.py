"""Whether search finds the report that a person has in mind, who uses other words than it does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.sandbox import ToolFunction

QUESTIONS = {
    "unit files that wake a downloader on a calendar schedule": "linux-systemd-timer-persistence",
    "a task queued for the weekend that deletes its own traces after running once": (
        "linux-at-one-shot-jobs"
    ),
    "which other machines a server has logged on to, learned from client files in home folders": (
        "linux-known-hosts-harvest"
    ),
    "libc functions replaced so that directory listings and socket tables are filtered": (
        "linux-ld-preload-userland-rootkit"
    ),
    "driver compiled on the victim that removes itself from lsmod": "linux-kernel-module-rootkit",
    "Monero mined on servers entered through an open Redis": "linux-host-cryptominer-worm",
    "passwordless root for a fake system account through an extra configuration file": (
        "linux-sudoers-drop-in"
    ),
    "intruder deletes lines with his address from the authentication log": "linux-log-wiping",
    "interactive shell tunneled over TLS with tools that are already installed": (
        "linux-tls-reverse-shell"
    ),
    "visitor photos that contain server-side code": "linux-web-shell-image-upload",
    "hashes and keytabs copied and secrets pulled out of the memory of daemons": (
        "linux-shadow-and-process-memory"
    ),
    "master password accepted for every account because login library was swapped": (
        "linux-pam-backdoor"
    ),
    "container gets root on the machine beneath through the daemon's socket": (
        "linux-runc-container-escape"
    ),
    "fake sudo prompt defined in an administrator's bashrc": "linux-shell-profile-implant",
    "stealing records from a hospital database by name resolution": "linux-dns-exfiltration",
    "SOCKS proxy through an appliance without dropping any tool": "linux-ssh-tunnel-pivot",
    "service account granted full rights over the cluster": "aks-cluster-admin-binding",
    "misspelled container repository delivers a backdoor": "aks-typosquatted-image",
    "recurring job in a namespace exports secrets every night": "aks-cronjob-persistence",
    "name resolution inside the cluster redirected to a relay": "aks-coredns-rewrite",
    "handler that alters every new pod and adds a sidecar": "aks-rogue-admission-webhook",
    "node agent port used to run commands without an audit record": "aks-kubelet-api-abuse",
    "asking the cluster to issue a credential valid for a year": "aks-token-request-longlived",
    "passwords found in what applications print": "aks-pod-log-scraping",
    "mining pods without privileges that make the cluster grow": "aks-miner-plain-deployment",
    "workload asks the link-local address for the identity of its node": "aks-imds-token-theft",
    "users tricked into approving an app that reads their mail": "azure-illicit-consent-grant",
    "victim types a short code into a sign-in page for the caller": "azure-device-code-phishing",
    "trusted location added so that policy no longer demands a compliant device": (
        "azure-conditional-access-tampering"
    ),
    "signed links used to copy blobs to another tenant": "azure-sas-token-exfiltration",
    "all secrets of many vaults read within minutes": "azure-key-vault-harvest",
    "logging removed from resources before backups are destroyed": (
        "azure-diagnostic-settings-removed"
    ),
    "repeated push notifications until the victim gives in": "azure-mfa-fatigue",
    "second signing certificate at an identity provider allows impersonation of anyone": (
        "azure-federated-domain-backdoor"
    ),
    "deleted administrator is recreated by scheduled cloud script": (
        "azure-automation-runbook-persistence"
    ),
    "image of a domain controller's volume downloaded": "azure-disk-snapshot-exfiltration",
    "copies of all messages of partners sent outside by a server-side property": (
        "azure-mailbox-forwarding-and-delegates"
    ),
    "guessing seasonal passwords a few times a week from home connections": (
        "azure-password-spray-distributed"
    ),
}


@pytest.fixture(scope="module")
def ranks(tools: Mapping[str, ToolFunction]) -> dict[str, int]:
    """Rank of the wanted report for each question, from 1; 11 when not among the first ten."""
    found: dict[str, int] = {}
    for question, wanted in QUESTIONS.items():
        answer = json.loads(tools["search_cti_reports"](query=question, limit=10))
        ids = [*(report["id"] for report in answer["reports"]), wanted]
        found[question] = ids.index(wanted) + 1
    return found


def test_four_of_five_paraphrased_questions_find_their_report_first(ranks: dict[str, int]) -> None:
    assert sum(rank == 1 for rank in ranks.values()) >= 0.8 * len(ranks)


def test_all_but_one_in_twenty_find_it_among_the_first_five(ranks: dict[str, int]) -> None:
    assert sum(rank <= 5 for rank in ranks.values()) >= 0.95 * len(ranks)
