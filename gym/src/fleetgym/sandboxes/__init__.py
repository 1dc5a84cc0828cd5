"""Where tools run: sandboxes of several kinds behind one interface."""

from fleetgym.sandboxes.kinds import KINDS, list_tools, provider
from fleetgym.sandboxes.promises import Promise, check

__all__ = ["KINDS", "Promise", "check", "list_tools", "provider"]
