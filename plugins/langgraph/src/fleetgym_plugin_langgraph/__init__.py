"""LangGraph in fleetgym."""
