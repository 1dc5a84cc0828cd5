"""What the parts of fleetgym promise each other; stands on the base dependencies alone."""
