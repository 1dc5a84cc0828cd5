"""Run records on disk: written once, whole or not at all, and redacted."""
