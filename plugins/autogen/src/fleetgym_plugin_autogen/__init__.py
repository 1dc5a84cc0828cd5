"""AutoGen in fleetgym."""
