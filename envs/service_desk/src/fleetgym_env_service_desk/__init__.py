"""ServiceDesk-v1: an outage among the tickets of a day, over an MCP server."""
