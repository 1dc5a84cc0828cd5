"""What happened in a run, as OpenTelemetry spans."""
