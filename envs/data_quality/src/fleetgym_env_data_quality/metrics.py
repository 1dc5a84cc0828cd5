"""The metrics that reports are asked for, computed without the rows that they would read wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetgym_env_data_quality.documented import IDS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from fleetgym_env_data_quality.defects import Place

__all__ = ["METRICS", "Metric"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric."""

    columns: tuple[str, ...]
    table: str
    """Whose rows are left out where they are wrong."""

    reads: frozenset[str]
    """Columns of that table; its identifier stands for rows that should not be there."""

    sql: str
    """With places for the condition that leaves rows out, and for what ends tables' names."""

    def query(self, wrong: Mapping[Place, Collection[int]], tag: str) -> str:
        """Return the query that leaves out what is wrong in a column that the metric reads."""
        out = {
            number
            for place, numbers in wrong.items()
            if place.table == self.table and place.column in self.reads
            for number in numbers
        }
        listed = ", ".join(map(str, sorted(out)))
        condition = f"{IDS[self.table]} NOT IN ({listed})" if out else "true"
        return self.sql.format(condition=condition, tag=tag)


METRICS: Mapping[str, Metric] = {
    "paid-by-method": Metric(
        columns=("method", "paid_eur"),
        table="payments",
        reads=frozenset({"payment_id", "method", "amount"}),
        sql="SELECT method, sum(amount) / 100.0 AS paid_eur FROM payments{tag} WHERE {condition} "
        "GROUP BY 1",
    ),
    "mass-by-carrier": Metric(
        columns=("carrier", "mass_kg"),
        table="shipments",
        reads=frozenset({"shipment_id", "carrier_id", "weight"}),
        sql="SELECT c.name AS carrier, sum(s.weight) / 1000.0 AS mass_kg FROM shipments{tag} s "
        "JOIN carriers{tag} c USING (carrier_id) WHERE {condition} GROUP BY 1",
    ),
    "sales-by-category": Metric(
        columns=("category", "sales_eur"),
        table="order_lines",
        reads=frozenset({"line_id", "product_id", "quantity", "unit_price"}),
        sql="SELECT p.category AS category, sum(l.quantity * l.unit_price) / 100.0 AS sales_eur "
        "FROM order_lines{tag} l JOIN products{tag} p USING (product_id) "
        "WHERE {condition} GROUP BY 1",
    ),
}
"""By name."""
