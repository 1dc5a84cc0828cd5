"""What plugins offer, by name; listing it imports neither frameworks nor environments."""

from fleetgym.registry.discovery import Broken, Registry
from fleetgym.registry.frameworks import RegisteredFramework

__all__ = ["Broken", "RegisteredFramework", "Registry"]
