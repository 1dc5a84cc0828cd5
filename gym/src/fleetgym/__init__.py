"""A plugin-based, sandboxed evaluation gym for agent frameworks."""

__version__ = "0.1.0"
