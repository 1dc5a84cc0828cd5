"""A platform's release desk: what is to be released, and what it has to keep to."""
