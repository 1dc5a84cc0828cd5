"""Runs suites: plan, lanes, runs, records."""
