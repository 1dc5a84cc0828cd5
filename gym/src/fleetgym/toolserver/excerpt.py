"""The beginning and the end of what a program writes, however much it is."""

from __future__ import annotations

import re

__all__ = ["Excerpt"]

# What would garble a terminal or a prompt: all but line feed and tab.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Excerpt:
    """Takes bytes piece by piece and keeps as many of the first as of the last ones."""

    def __init__(self, most: int) -> None:
        """Keep no more than ``most`` bytes."""
        self._half = max(1, most // 2)
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0
        """Bytes taken."""
        self._lines = 0

    def add(self, piece: bytes) -> None:
        """Take a piece."""
        self.total += len(piece)
        self._lines += piece.count(b"\n")
        room = self._half - len(self._head)
        self._head += piece[:room]
        self._tail += piece[room:]
        del self._tail[: -self._half]

    def text(self) -> str:
        """Return what was kept as printable text, with a line that says what was cut."""
        if self.total <= 2 * self._half:
            whole = _printable(bytes(self._head + self._tail))
            if len(whole.encode()) <= 2 * self._half:
                return whole
        head, tail = bytes(self._head), bytes(self._tail)
        # Escapes are longer than what they stand for.
        while len(_printable(head).encode()) > self._half:
            head = head[: len(head) * 3 // 4]
        while len(_printable(tail).encode()) > self._half:
            tail = tail[-(len(tail) * 3 // 4) :]
        cut = self.total - len(head) - len(tail)
        lines = self._lines - head.count(b"\n") - tail.count(b"\n")
        note = (
            f"[... {cut} of {self.total} bytes ({lines} lines) are cut here; to see them, write "
            "the output to a file and read parts of it, for example `sed -n '1,100p' FILE` ...]"
        )
        return f"{_printable(head)}\n{note}\n{_printable(tail)}"


def _printable(data: bytes) -> str:
    r"""Return text; bytes that are none, and control characters, as ``\\xNN``."""
    text = data.decode(errors="backslashreplace").replace("\r\n", "\n")
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
