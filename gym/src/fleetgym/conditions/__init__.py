"""The conditions that come with fleetgym: one module a family."""
