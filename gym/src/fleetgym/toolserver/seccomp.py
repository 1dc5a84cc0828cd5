"""System-call filters (seccomp), compiled here: what a process and all it starts may ask for.

A filter is a list of rules that refuse; whatever no rule refuses is allowed. Filters add up and
cannot be taken off. The compiler is a hundred lines because no library is: libseccomp is not on
every machine and cannot be carried along in a wheel for all of them.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetgym.toolserver.system_calls import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Rule", "compile_filter", "install", "supported"]

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column in the table of numbers, and the kernel's name (``AUDIT_ARCH_…``)."""

_X32 = 0x40000000
"""Set in the numbers of x86-64's other interface, which would pass by every rule."""

_LOAD, _JUMP, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Offsets in what the kernel shows a filter (``struct seccomp_data``)."""

_FARTHEST = 255
"""So many instructions can be skipped by a comparison."""

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _MODE_FILTER = 22, 38, 2

_Code = list[tuple[int, int, int, int]]
"""Instructions: operation, jump if true, jump if false, operand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Refuses system calls; with an ``argument``, only those whose argument is as described.

    Arguments are compared by their lower 32 bits, which is all that the kernel looks at in those
    that rules speak of: process ids, flags and commands.
    """

    calls: Sequence[str]
    answer: int = errno.EPERM
    """What the caller sees in ``errno``; 0 lets it believe that the call was done."""

    argument: int | None = None
    """Its index."""

    among: Sequence[int] = ()
    """Refuse these values."""

    not_among: Sequence[int] = ()
    """Refuse all but these values."""

    any_bit: int = 0
    """Refuse values that have any of these bits."""

    no_bit: int = 0
    """Refuse values that have none of these bits."""


def supported() -> bool:
    """Return whether filters can be compiled for this machine."""
    return platform.machine() in _ARCHITECTURES


def compile_filter(rules: Iterable[Rule], machine: str) -> bytes:
    """Return the kernel's program for ``rules`` (an array of ``struct sock_filter``).

    Args:
        rules: The first that applies answers.
        machine: As :func:`platform.machine` says it.
    """
    column, architecture = _ARCHITECTURES[machine]
    # 32-bit programs have other numbers.
    code: _Code = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, architecture), _answer(errno.EPERM)]
    code.append((_LOAD, 0, 0, _NUMBER))
    if machine == "x86_64":
        code += [(_AT_LEAST, 0, 1, _X32), _answer(errno.ENOSYS)]
    for rule in rules:
        body = list(_body(rule))
        numbers = [n for name in rule.calls if (n := NUMBERS[name][column]) is not None]
        code += [*_if_among(numbers, otherwise=len(body)), *body]
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def install(rules: Iterable[Rule]) -> bool:
    """Put this process, and all it will start, under ``rules``; return whether that was possible.

    For a process of one thread: others would stay as they are.
    """
    if not supported():
        return False
    code = compile_filter(rules, platform.machine())
    program = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HxxxxxxP", len(code) // 8, ctypes.addressof(program))
    libc = ctypes.CDLL(None, use_errno=True)
    allowed = libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    return allowed and libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, header, 0, 0) == 0


def _body(rule: Rule) -> Iterator[tuple[int, int, int, int]]:
    """Yield what follows a call that ``rule`` names; ends behind itself when it does not apply."""
    if rule.argument is None:
        yield _answer(rule.answer)
        return
    yield (_LOAD, 0, 0, _ARGUMENTS + 8 * rule.argument)
    for start in range(0, len(rule.among), _FARTHEST):
        yield from _if_among(rule.among[start : start + _FARTHEST], otherwise=1)
        yield _answer(rule.answer)
    if rule.any_bit:
        yield from ((_ANY_BIT, 0, 1, rule.any_bit), _answer(rule.answer))
    if rule.no_bit:
        yield from ((_ANY_BIT, 1, 0, rule.no_bit), _answer(rule.answer))
    if rule.not_among:
        yield from (*_if_among(rule.not_among, otherwise=1), (_JUMP, 0, 0, 1))
        yield _answer(rule.answer)
    yield (_LOAD, 0, 0, _NUMBER)


def _if_among(values: Sequence[int], *, otherwise: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield comparisons that go on behind themselves when one holds, else skip ``otherwise``."""
    for left in range(len(values), 0, -1):
        yield (_EQUAL, left, 0, values[-left] & 0xFFFFFFFF)
    yield (_JUMP, 0, 0, otherwise)


def _answer(number: int) -> tuple[int, int, int, int]:
    return (_RETURN, 0, 0, _ERRNO | number)
