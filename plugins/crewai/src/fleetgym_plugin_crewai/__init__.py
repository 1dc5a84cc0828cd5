"""CrewAI in fleetgym."""
