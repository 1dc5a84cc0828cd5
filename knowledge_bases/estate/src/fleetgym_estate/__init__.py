"""Companies and their Microsoft-shaped telemetry, generated from a seed."""
