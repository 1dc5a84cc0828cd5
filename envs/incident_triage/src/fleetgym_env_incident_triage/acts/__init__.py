"""How acts are written into the telemetry: the same way for intruders and for everybody else."""
