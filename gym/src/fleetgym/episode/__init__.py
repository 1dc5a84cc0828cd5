"""The episode's side that agents talk to: sessions, and the HTTP routes in front of them."""

from fleetgym.episode.routes import EpisodeRoutes
from fleetgym.episode.session import Session

__all__ = ["EpisodeRoutes", "Session"]
