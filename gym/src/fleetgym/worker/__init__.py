"""The agent's side: what runs inside a framework's own environment, on the base dependencies.

`python -m fleetgym.worker serve` is the warm process of one framework. It imports the framework
and never runs it; for each run it forks a process that does (:mod:`fleetgym.worker.zygote`).
"""

from fleetgym.worker.arguments import argument_model
from fleetgym.worker.http_episode import HttpEpisode

__all__ = ["HttpEpisode", "argument_model"]
