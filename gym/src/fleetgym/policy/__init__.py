"""Reference policies as models of known skill: an expert's plan, followed well or badly."""

from fleetgym.policy.conversation import Conversation, Exchange, Move, Say, Use
from fleetgym.policy.driver import Driver, play
from fleetgym.policy.profiles import COMPETENT, ERRATIC, EXPERT, GULLIBLE, LADDER, PARALLEL, Profile

__all__ = [
    "COMPETENT",
    "ERRATIC",
    "EXPERT",
    "GULLIBLE",
    "LADDER",
    "PARALLEL",
    "Conversation",
    "Driver",
    "Exchange",
    "Move",
    "Profile",
    "Say",
    "Use",
    "play",
]
