"""A release desk: what its tools say, and what manifests are measured to come to."""

from __future__ import annotations

import inspect
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from small_cluster import CART, NOW, at, small_cluster

from fleetgym.contracts.errors import SandboxError, ToolError
from fleetgym.contracts.sandbox import Limits
from fleetgym_cluster.releases import toolset
from fleetgym_cluster.releases.book import (
    Book,
    Entry,
    LoadTest,
    Order,
    Prices,
    Release,
    Rules,
    Service,
    Tier,
)
from fleetgym_cluster.releases.desk import ReleaseDesk
from fleetgym_cluster.releases.measure import measure
from fleetgym_cluster.toolset import CLUSTER

if TYPE_CHECKING:
    from pathlib import Path

HOUR = timedelta(hours=1)
CHOSEN = {"matchLabels": {"app": "cart"}}


def book() -> Book:
    return Book(
        now=NOW,
        release=Release(
            id="REL-1", reason="new features", critical=False, deadline=NOW + 48 * HOUR,
            orders=[Order(service="shop/cart", image="reg.example/cart:2", settings={"A": "b"})],
        ),
        services={
            "shop/cart": Service(
                team="cedar", utc_offset_min=-210, tier=2, calls=["shop/db"],
                objective={"error_ratio": 0.01, "latency_p99_ms": 300.0},
                tests={"reg.example/cart:1": LoadTest(rps=100, memory_mib=60)},
                errors_left=5000, detection_min=10, monthly_budget=50.0,
            )
        },
        forecast_start=NOW,
        forecasts={"shop/cart": [100, 300, 200, 50]},
        calendar=[
            Entry(
                start=NOW + HOUR, end=NOW + 2 * HOUR, kind="freeze", concerns="everybody",
                hard=True, note="audit",
            )
        ],
        rules=Rules(
            weekdays=[0, 1, 2, 3], first_hour=9, last_hour=15, end_hour=17,
            tiers={2: Tier(first_percent=20, growth=4, stages=3, soak_min=40)},
            utilization=0.75, memory_factor=1.2, limit_factor=2.0, canary_share=0.1,
        ),
        prices=Prices(cpu=0.03, gib=0.004),
        notes={"cost-policy": "Ask Hugo."},
    )  # fmt: skip


def desk() -> ReleaseDesk:
    return ReleaseDesk(book(), small_cluster())


def test_a_book_is_the_same_after_json() -> None:
    text = json.dumps(book().to_json())
    assert Book.from_json(json.loads(text)) == book()
    with pytest.raises(ValueError, match="now"):
        Book.from_json({})


@pytest.mark.parametrize(
    ("start", "end", "most"),
    [(0, 1, 100), (0, 1.1, 300), (0.5, 0.9, 100), (1.5, 3, 300), (3, 9, 50), (4, 9, 0), (-9, 0, 0)],
)
def test_demand_is_the_most_of_the_hours_that_are_touched(
    start: float, end: float, most: int
) -> None:
    assert book().demand("shop/cart", NOW + start * HOUR, NOW + end * HOUR) == most


def test_the_documents_say_the_numbers_of_the_book() -> None:
    said = "\n".join(desk().read_document(name) for name in desk().list_documents().split())
    for text in (
        "Monday to Thursday, from 09:00 to 15:00", "17:00 of the same day",
        "| 2 | 20 % | 4 times | 3 | 40 minutes |", "75% of what", "1.2 times the 99th percentile",
        "at most 2 times", "at most 10% of", "0.0300 EUR", "0.0040 EUR", "Ask Hugo.",
    ):  # fmt: skip
        assert text in said


def test_cards_forecasts_and_the_calendar_are_told() -> None:
    request = yaml.safe_load(desk().release_request())
    assert request["services"][0]["new_settings"] == {"A": "b"}
    assert datetime.fromisoformat(request["deadline"]) == NOW + 48 * HOUR
    assert yaml.safe_load(desk().service_card("shop/cart"))["time_zone"] == "UTC-03:30"
    start, end = NOW + 0.5 * HOUR, NOW + 1.5 * HOUR
    lines = desk().traffic_forecast("shop/cart", start.isoformat(), end.isoformat()).splitlines()
    assert [line.split()[-1] for line in lines[1:]] == ["100", "300"]
    assert "audit" in desk().change_calendar()
    assert desk().change_calendar(end=NOW.isoformat(), start="2026-01-01") == "No entries."


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("read_document", {"name": "cost-polcy"}, "Did you mean 'cost-policy'?"),
        ("service_card", {"service": "zzz"}, "There are: shop/cart; see `release_request`."),
        ("traffic_forecast", {"service": "shop/crt"}, "Did you mean 'shop/cart'?"),
        ("traffic_forecast", {"service": "shop/cart", "start": "noon"}, "'noon' is no time"),
        ("change_calendar", {"start": "2030-01-01"}, "must be later than `start`"),
    ],
)
def test_what_is_not_there_is_told(tool: str, arguments: dict[str, str], told: str) -> None:
    with pytest.raises(ToolError) as refused:
        getattr(desk(), tool)(**arguments)
    assert told in str(refused.value)


def test_manifests_are_measured_where_they_have_settled() -> None:
    cluster = small_cluster()
    cart = json.loads(json.dumps(at(cluster.objects, "Deployment", "cart")))
    spec = cart["spec"]["template"]["spec"]
    spec["topologySpreadConstraints"] = [
        {
            "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "DoNotSchedule", "labelSelector": CHOSEN,
        }
    ]  # fmt: skip
    spec["containers"][0]["resources"]["requests"]["cpu"] = "50m"
    budget = {
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"maxUnavailable": "40%", "selector": CHOSEN},
    }  # fmt: skip

    found = measure(cluster, book(), yaml.safe_dump_all([cart, budget]))

    cart_found = found["services"]["shop/cart"]
    assert found["touched"] == [CART, "PodDisruptionBudget shop/cart"]
    assert (cart_found["cpu"], cart_found["cpu_was"]) == (0.05, 0.1)
    assert (cart_found["memory_mib"], cart_found["limit_mib"]) == (64, 128)
    assert cart_found["spread"]
    assert not cart_found["complete"], "its nodes have no zones"
    assert not cart_found["moved"]
    assert cart_found["budgets"] == [{"ref": "PodDisruptionBudget shop/cart", "keeps": 1}]


@pytest.mark.parametrize("text", ["kind: Deployment", "a: [", "{}", "- 1", "\x00"])
def test_manifests_that_are_none_are_refused(text: str) -> None:
    found = measure(small_cluster(), book(), text)
    assert found["ok"] is False
    assert found["error"]


def test_the_toolset_opens_a_release_and_says_when_there_is_none(tmp_path: Path) -> None:
    mounts: Any = {"data": tmp_path}
    with pytest.raises(SandboxError, match=r"holds no releases\.json"):
        toolset.open_toolset(mounts, Limits())
    (tmp_path / toolset.RELEASES).write_text(json.dumps(book().to_json()), "utf-8")
    with pytest.raises(SandboxError, match=r"holds no cluster\.json"):
        toolset.open_toolset(mounts, Limits())
    (tmp_path / CLUSTER).write_text(json.dumps(small_cluster().to_json()), "utf-8")
    tools = toolset.open_toolset(mounts, Limits())
    for spec in toolset.SPECS:
        taken = inspect.signature(tools[spec.name]).parameters
        assert set(taken) == set(spec.parameters["properties"]), spec.name
