"""The tool server: what runs inside a sandbox, and the toolsets it offers."""
