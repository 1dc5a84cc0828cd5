"""DataExploration-v1."""
