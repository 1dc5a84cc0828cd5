"""K8sTroubleshooting-v1."""
