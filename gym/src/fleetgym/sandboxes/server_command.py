"""What is started inside a sandbox: fleetgym's own tool server, or any MCP server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fleetgym.contracts.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.contracts.sandbox import SandboxSpec

__all__ = ["fill_in", "server_arguments"]

# Narrow, so that JSON in an argument is left alone.
_PLACE = re.compile(r"\{([A-Za-z_][\w-]*)\}")


def server_arguments(
    spec: SandboxSpec, places: Mapping[str, str], *, scratch: str, python: str, isolated: bool
) -> tuple[str, ...]:
    """Return what fleetgym's own interpreter is told, to start the server.

    Args:
        spec: What the sandbox has to offer.
        places: Directories by name, as the server sees them.
        scratch: The one that it may write to.
        python: That interpreter.
        isolated: Whether it is in a process namespace of its own.

    Raises:
        SpecError: The spec names no command, or a word of it a directory that there is not.
    """
    flag = ("--isolated",) if isolated else ()
    if not spec.foreign:
        return "-m", "fleetgym.toolserver.main", *flag, *spec.toolsets
    if not spec.server:
        raise SpecError(
            f"The MCP server in the image {spec.image!r} runs in a container only: use `--sandbox "
            "docker`, or give the spec a `server` command as well."
        )
    limits = spec.limits
    return (
        "-m", "fleetgym.toolserver.guard", *flag,
        "--processes", str(limits.processes),
        "--memory", str(limits.memory_bytes),
        "--open-files", str(limits.open_files),
        "--file-bytes", str(limits.scratch_bytes),
        "--", *fill_in(spec.server, {**places, "scratch": scratch, "python": python}),
    )  # fmt: skip


def fill_in(command: Sequence[str], places: Mapping[str, str]) -> tuple[str, ...]:
    """Return a command with its placeholders replaced.

    Raises:
        SpecError: There is none of that name.
    """

    def place(found: re.Match[str]) -> str:
        name = found[1]
        if name not in places:
            raise SpecError(
                f"The server command has {found[0]!r}, which is no directory of the sandbox. There "
                f"are {', '.join(sorted(places))}; add it to the mounts."
            )
        return places[name]

    return tuple(_PLACE.sub(place, word) for word in command)
