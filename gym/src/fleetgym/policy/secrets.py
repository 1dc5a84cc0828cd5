"""Credentials, as a model knows one when it reads it."""

from __future__ import annotations

import re

__all__ = ["secrets_in", "without_secrets"]

_SECRET = re.compile(r"\b(AKIA[A-Z2-7]{16}|ghp_[A-Za-z0-9]{36})\b|AccountKey=([A-Za-z0-9+/]{86}==)")


def secrets_in(text: str) -> list[str]:
    """Return the credentials in a text, in the order in which they stand there."""
    return ["".join(groups) for groups in _SECRET.findall(text)]


def without_secrets(text: str) -> str:
    """Return a text in which another word stands for each credential."""
    for secret in secrets_in(text):
        text = text.replace(secret, "[withheld]")
    return text
