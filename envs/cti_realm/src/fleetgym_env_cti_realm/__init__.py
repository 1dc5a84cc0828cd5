"""CtiRealm-v1: detection engineering from threat intelligence."""
