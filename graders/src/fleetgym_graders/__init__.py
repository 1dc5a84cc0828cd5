"""Graders for fleetgym: checkpoints earned step by step and final artifact scores."""
