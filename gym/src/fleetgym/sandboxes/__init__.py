"""Where tools run: sandboxes of several kinds behind one interface."""

from fleetgym.sandboxes.kinds import KINDS, Promise, check, provider

__all__ = ["KINDS", "Promise", "check", "provider"]
