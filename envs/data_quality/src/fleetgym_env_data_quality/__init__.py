"""DataQuality-v1."""
