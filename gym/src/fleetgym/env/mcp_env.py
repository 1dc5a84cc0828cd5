"""An environment whose tools are those of any MCP server."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from fleetgym.contracts.catalogue import read_catalogue
from fleetgym.contracts.sandbox import SandboxSpec
from fleetgym.env.tool_env import ToolEnv

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fleetgym.contracts.tools import ToolSpec

__all__ = ["McpEnv"]


class McpEnv(ToolEnv):
    """A :class:`fleetgym.env.ToolEnv` over a server that knows nothing of fleetgym.

    An environment says which server, and which files it may see (``mounts``).
    ``docs/mcp-servers.md`` makes one, step by step.
    """

    toolsets: ClassVar[tuple[str, ...]] = ()

    server: ClassVar[tuple[str, ...]] = ()
    """As :attr:`fleetgym.contracts.sandbox.SandboxSpec.server` has it."""

    image: ClassVar[str] = ""
    """As :attr:`fleetgym.contracts.sandbox.SandboxSpec.image` has it."""

    catalogue: ClassVar[Path]
    """The server's tools, as `fleetgym tools from-mcp` wrote them."""

    prestart: ClassVar[bool] = False
    """As :attr:`fleetgym.contracts.sandbox.SandboxSpec.prestart` has it."""

    @cached_property
    def sandbox_spec(self) -> SandboxSpec:
        """What a sandbox of this env offers; envs of equal specs share fresh ones."""
        return SandboxSpec(
            server=self.server,
            image=self.image,
            catalogue=self.catalogue,
            prestart=self.prestart,
            mounts=self.mounts(),
            limits=self.limits,
        )

    @classmethod
    def sandbox_tools(cls) -> Sequence[ToolSpec]:
        """Return the tools of the catalogue; a scenario names those that agents get."""
        return read_catalogue(cls.catalogue)
