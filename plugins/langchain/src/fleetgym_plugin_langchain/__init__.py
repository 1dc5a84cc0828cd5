"""LangChain in fleetgym."""
