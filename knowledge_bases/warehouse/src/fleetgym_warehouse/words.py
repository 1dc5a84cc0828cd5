"""The words that a company's tables are made of."""

from __future__ import annotations

__all__ = ["ADJECTIVES", "CARRIERS", "DOMAINS", "FIRST_NAMES", "LAST_NAMES", "NOUNS", "REMARKS"]

FIRST_NAMES = (
    "Ada", "Bruno", "Chiara", "Dario", "Elif", "Femke", "Goran", "Hanna", "Ines", "Jonas", "Kaja",
    "Lars", "Mira", "Nils", "Olga", "Pavel", "Rosa", "Sven", "Tereza", "Ugo", "Vera", "Wim",
)  # fmt: skip
LAST_NAMES = (
    "Aalto", "Bergmann", "Costa", "Duval", "Eriksen", "Fabbri", "Grünwald", "Horvat", "Ilic",
    "Jansen", "Kowalski", "Lindqvist", "Moreau", "Novak", "Olsen", "Petrov", "Ricci", "Svoboda",
)  # fmt: skip
ADJECTIVES = (
    "Compact", "Classic", "Folding", "Heavy", "Nordic", "Quiet", "Rapid", "Solid", "Tall", "Urban",
)  # fmt: skip
NOUNS = (
    "Bench", "Blanket", "Cabinet", "Drill", "Grill", "Hammock", "Kettle", "Lamp", "Mirror", "Pump",
    "Rack", "Saw", "Shelf", "Stool", "Tent", "Trolley", "Vase", "Wok",
)  # fmt: skip
CARRIERS = (
    "Alpin Logistik", "Boreal Post", "Canal Freight", "Delta Kurier", "Eurolane", "Fjord Express",
    "Gamma Parcel", "Hansa Paket",
)  # fmt: skip
REMARKS = (
    "call before delivery", "gift, no invoice", "leave with neighbour", "old address, check",
    "second attempt", "wants a quote for ten", "see ticket",
)  # fmt: skip

DOMAINS: dict[str, tuple[str, ...]] = {
    "category": (
        "furniture",
        "garden",
        "kitchen",
        "lighting",
        "tools",
        "outdoor",
        "textiles",
        "other",
        "other",
    ),
    "status": ("open", "confirmed", "shipped", "returned", "cancelled"),
    "segment": ("private", "trade", "public sector", "employee"),
    "method": ("card", "invoice", "direct debit", "voucher"),
    "country": ("Austria", "Belgium", "Czechia", "Denmark", "Finland", "Italy", "Poland", "Spain"),
}
"""Labels of codes by domain; two codes of a domain may have the same."""
