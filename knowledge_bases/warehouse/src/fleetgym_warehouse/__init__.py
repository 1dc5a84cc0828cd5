"""A mail-order company's tables, generated from a seed."""
