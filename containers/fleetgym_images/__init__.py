"""Builds fleetgym's container images."""
