"""The model gateway: the one place where what a run asks of its model is measured.

The lane mounts :meth:`Gateway.routes` into its server and opens a :class:`GatewayRun` for each
run. A run's requests are authorized, held to the run's budget, answered by its :class:`Upstream`,
and recorded one by one. What changes requests or answers on purpose wraps an upstream and is one.
"""

from fleetgym.gateway.faults import FaultyUpstream
from fleetgym.gateway.openai_upstream import OpenAIUpstream, Timeouts
from fleetgym.gateway.policy_upstream import PolicyUpstream
from fleetgym.gateway.runs import GatewayRun, Totals
from fleetgym.gateway.server import Gateway
from fleetgym.gateway.upstream import Answer, ChatRequest, Garbled, Stream, Upstream

__all__ = [
    "Answer",
    "ChatRequest",
    "FaultyUpstream",
    "Garbled",
    "Gateway",
    "GatewayRun",
    "OpenAIUpstream",
    "PolicyUpstream",
    "Stream",
    "Timeouts",
    "Totals",
    "Upstream",
]
