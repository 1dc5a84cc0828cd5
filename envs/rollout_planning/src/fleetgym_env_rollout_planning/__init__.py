"""RolloutPlanning-v1."""
