from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from fleetgym_estate.estate import Estate
from fleetgym_estate.estate_draw import draw_estate

SEEDS = range(12)


@pytest.fixture(scope="module")
def estate() -> Estate:
    return draw_estate(7)


def test_a_seed_gives_the_same_estate_again(estate: Estate) -> None:
    assert asdict(draw_estate(7)) == asdict(estate)


def test_another_seed_is_another_company(estate: Estate) -> None:
    other = draw_estate(8)
    assert estate.tenant_id != other.tenant_id
    assert not {h.device_id for h in estate.hosts} & {h.device_id for h in other.hosts}
    assert not {h.name for h in estate.hosts} & {h.name for h in other.hosts}
    assert not {e.upn for e in estate.employees} & {e.upn for e in other.employees}
    assert not set(estate.places) & set(other.places)


def test_twelve_seeds_have_twelve_domains_and_several_windows() -> None:
    estates = [draw_estate(seed) for seed in SEEDS]
    assert len({estate.domain for estate in estates}) == len(SEEDS)
    assert len({estate.start for estate in estates}) > len(SEEDS) // 2


@pytest.mark.parametrize("seed", SEEDS)
def test_every_estate_is_large_enough_for_a_plot(seed: int) -> None:
    estate = draw_estate(seed)
    assert len(estate.hosts) >= 24
    assert len(estate.employees) >= 40
    assert len(estate.linux_users) >= 10
    assert len(estate.clusters) >= 3
    assert len(estate.applications) >= 12
    assert len(estate.storage_accounts) >= 8
    assert len(estate.key_vaults) >= 4
    assert len(estate.administrators) >= 4


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_named_twice(seed: int) -> None:
    estate = draw_estate(seed)
    for names in (
        [host.name for host in estate.hosts],
        [host.ip for host in estate.hosts],
        [user.name for user in estate.linux_users],
        [employee.upn for employee in estate.employees],
        [application.display_name for application in estate.applications],
        [account.name for account in estate.storage_accounts],
        [vault.name for vault in estate.key_vaults],
        [cluster.resource_id for cluster in estate.clusters],
        [group.name for group in estate.resource_groups],
    ):
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_window_is_two_working_days(seed: int) -> None:
    estate = draw_estate(seed)
    assert (estate.end - estate.start).days == 2
    assert estate.start.weekday() <= 3


def test_every_address_of_a_person_or_an_application_has_a_place(estate: Estate) -> None:
    addresses = {ip for employee in estate.employees for ip in employee.ips}
    addresses |= {ip for application in estate.applications for ip in application.ips}
    assert addresses <= set(estate.places)


@pytest.mark.parametrize("table", ["AKSAudit", "AKSAuditAdmin"])
def test_two_clusters_send_to_either_audit_table(estate: Estate, table: str) -> None:
    assert len(estate.clusters_of(table)) == 2


def test_outside_addresses_are_nobodys(estate: Estate) -> None:
    found = estate.outside_ips(np.random.default_rng(0), 50)
    assert len(set(found)) == 50
    assert not set(found) & set(estate.places)
