"""Scenarios as files: reading them, and holding each to what its version says."""
