"""A run as the gateway knows it: who may ask, which model answers, what is left to spend."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from fleetgym.gateway.errors import BudgetSpent, Refusal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from fleetgym.contracts.record import ModelCallRecord
    from fleetgym.contracts.scenario import Budget
    from fleetgym.gateway.upstream import Upstream

__all__ = ["GatewayRun", "OnCall", "Totals"]

OnCall: TypeAlias = "Callable[[ModelCallRecord, Mapping[str, Any], Mapping[str, Any] | None], None]"


@dataclass(slots=True, kw_only=True)
class Totals:
    """What has been spent."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens


@dataclass(slots=True, kw_only=True)
class GatewayRun:
    """One run's account."""

    run_id: str
    """Stands in its URLs."""

    token: str = field(repr=False)
    """The API key that its frameworks have to show."""

    model: str
    """The one name under which there is a model."""

    upstream: Upstream
    budget: Budget
    """Of it, model calls and tokens are enforced here."""

    on_call: OnCall
    """Called once for each request, with its record, the request's body (empty when it could not
    be read) and the assistant message of the answer, before the framework has all of it: what
    the model said is known before the tool call that follows from it.
    """

    on_over: Callable[[str], None]
    """Called once, with ``model_calls`` or ``tokens``, when this budget ends the run."""

    started: float = field(default_factory=time.monotonic)
    """Value of ``time.monotonic()`` from which the records' times count."""

    totals: Totals = field(default_factory=Totals, init=False)
    agents: dict[str, Totals] = field(default_factory=dict[str, Totals], init=False)
    """Totals of each agent that has made a request, in order of their first."""

    over: str | None = field(default=None, init=False)
    """Why the run has ended, once it has."""

    in_flight: set[asyncio.Task[Any]] = field(
        default_factory=set["asyncio.Task[Any]"], init=False, repr=False
    )
    """Tasks that are serving a request."""

    def end(self, reason: str) -> None:
        """Refuse all further requests, for example because the episode is out of time."""
        self.over = self.over or reason

    def check_open(self) -> None:
        """Check that the run has not ended.

        Raises:
            Refusal: It has.
        """
        if self.over is not None:
            raise Refusal(410, "run_over", f"This run is over: {self.over}. Stop.")

    def count_call(self, agent: str) -> int:
        """Count a request and return its index, from 0."""
        index = self.totals.calls
        for totals in (self.totals, self.agents.setdefault(agent, Totals())):
            totals.calls += 1
        return index

    def check_budget(self) -> None:
        """Check that the request counted last is within the budget.

        Raises:
            BudgetSpent: It is not, and the run has ended.
        """
        if self.totals.calls > self.budget.model_calls:
            self._spent("model_calls", f"its budget of {self.budget.model_calls} model calls")
        if self.totals.tokens >= self.budget.tokens:
            self._spent("tokens", f"its budget of {self.budget.tokens} tokens")

    def charge(self, record: ModelCallRecord) -> None:
        """Add the tokens of a finished request."""
        for totals in (self.totals, self.agents[record.agent]):
            totals.input_tokens += record.input_tokens
            totals.output_tokens += record.output_tokens

    def _spent(self, budget: str, what: str) -> None:
        self.end(f"{what} is spent")
        raise BudgetSpent(budget, f"This run is over: {self.over}. Stop.")
