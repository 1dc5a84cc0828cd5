"""IncidentTriage-v1: an alert queue, one intrusion in it, and what only looks like one."""
