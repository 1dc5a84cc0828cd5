"""Amounts as Kubernetes writes them: ``250m`` of a CPU, ``512Mi`` of memory."""

from __future__ import annotations

import re
from decimal import Decimal

from fleetgym.contracts.errors import ToolError

__all__ = ["MI", "amount", "cpu_text", "memory_text", "quantity_text"]

_FORM = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)")
_SUFFIX = {
    "": Decimal(1),
    **{
        s: Decimal(10) ** (3 * n) for n, s in enumerate(("n", "u", "m", "", "k", "M", "G", "T"), -3)
    },
    **{s: Decimal(1024) ** n for n, s in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
}
MI = 1024 * 1024


def amount(text: object) -> Decimal:
    """Return a quantity in CPUs, bytes or pieces.

    Raises:
        ToolError: It is none.
    """
    found = _FORM.fullmatch(str(text))
    if found is None:
        raise ToolError(f"{text!r} is no quantity; write for example 250m, 0.5, 512Mi or 2Gi.")
    number, exponent, suffix = found.groups()
    return Decimal(number + (exponent or "")) * _SUFFIX[suffix or ""]


def cpu_text(cpus: Decimal) -> str:
    """Return CPUs as kubectl prints them."""
    milli = int(cpus * 1000)
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"


def memory_text(size: Decimal) -> str:
    """Return bytes as kubectl prints them."""
    mebi = int(size / MI)
    return f"{mebi // 1024}Gi" if mebi and mebi % 1024 == 0 else f"{mebi}Mi"


def quantity_text(name: str, value: Decimal) -> str:
    """Return an amount of a resource, ``requests.cpu`` or ``pods`` for example, as kubectl does."""
    if name.endswith("cpu"):
        return cpu_text(value)
    return memory_text(value) if name.endswith(("memory", "storage")) else str(int(value))
