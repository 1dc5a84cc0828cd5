"""A reference policy as a model."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fleetgym.gateway.completions import completed
from fleetgym.gateway.metering import estimated_usage
from fleetgym.policy import dialect
from fleetgym.policy.driver import Driver

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from fleetgym.contracts.policy import ReferencePolicy
    from fleetgym.gateway.upstream import Answer, ChatRequest, Stream
    from fleetgym.policy.profiles import Profile

__all__ = ["PolicyUpstream"]


class PolicyUpstream:
    """Answers with an expert's next move, made as well as the profile allows.

    Belongs to one run. The same requests in the same order are given the same answers, byte for
    byte, and what one agent asks does not change what another is answered.
    """

    def __init__(self, policy: ReferencePolicy, profile: Profile, seed: int) -> None:
        self._policy = policy
        self._profile = profile
        self._seed = seed
        self._drivers: dict[str, Driver] = {}

    @asynccontextmanager
    async def answer(self, request: ChatRequest) -> AsyncGenerator[Answer | Stream]:
        """Make the next move."""
        driver = self._drivers.get(request.agent)
        if driver is None:
            driver = Driver(self._policy, self._profile, self._seed, agent=request.agent)
            self._drivers[request.agent] = driver
        conversation = dialect.read(request.body)
        name = f"{self._seed}/{request.agent}/{driver.moves}"
        identity = hashlib.sha256(name.encode()).hexdigest()[:24]
        message, finish_reason = dialect.write(
            driver.move(conversation), f"call_{identity}", request.body
        )
        head = {"id": f"chatcmpl-{identity}", "created": 0, "model": request.body["model"]}
        usage = estimated_usage(request.body, message)
        yield completed(
            head, message, finish_reason, usage, streamed=request.streamed, estimated=True
        )
