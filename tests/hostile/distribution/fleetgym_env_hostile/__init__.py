"""CtiRealm with small limits and tools that execute code: where the hostile agents are let in."""
