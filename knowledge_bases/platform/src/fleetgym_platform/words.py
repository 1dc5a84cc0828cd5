"""The words that clusters are made of."""

from __future__ import annotations

__all__ = [
    "COMPANIES",
    "DATABASES",
    "NAMESPACES",
    "REASONS",
    "REMARKS",
    "SERVICES",
    "WORKERS",
]

COMPANIES = ("alder", "brindle", "corvane", "dunlin", "elmstead", "farrow", "gannet", "hollis")
NAMESPACES = (
    "storefront", "fulfilment", "finance", "customer", "logistics", "content", "pricing-team",
    "payments-team", "retail", "partners",
)  # fmt: skip
SERVICES = (
    "accounts", "basket", "billing", "carriers", "catalog", "checkout", "coupons", "delivery",
    "invoices", "ledger", "loyalty", "media", "offers", "orders", "payments", "pricing", "profiles",
    "quotes", "ratings", "recommender", "refunds", "returns", "reviews", "search", "sessions",
    "shipping", "stock", "suppliers", "taxes", "wishlist",
)  # fmt: skip
DATABASES = ("accounts-db", "catalog-db", "events-db", "ledger-db", "orders-db", "sessions-db")
WORKERS = ("export-worker", "image-worker", "mail-worker", "report-worker", "sync-worker")
REASONS = (
    "new release", "dependency update", "fix for slow start", "nightly build", "security update",
    "feature flags", "translations",
)  # fmt: skip
REMARKS = (
    'level=info msg="request served" status=200 duration_ms=12',
    'level=warn msg="slow query" duration_ms=812',
    'level=info msg="cache refreshed" entries=4120',
    'level=warn msg="retrying" attempt=1 outcome=ok',
    'level=info msg="request served" status=404 path=/favicon.ico',
    'level=error msg="client closed connection" remote=10.12.4.9',
)
