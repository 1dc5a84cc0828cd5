"""Following an expert's plan: from the messages of a chat, or directly on an episode.

A chat request says everything that has happened, so the next move is found by running the plan
from its start and sending it the recorded result of each call it makes, until it makes one that
has no result yet. That call is the next move. Which framework asks, and what it did meanwhile,
makes no difference: results of calls the plan never made are passed over.

In a team each member has a driver of its own, which knows what its own messages tell. A call that
is another member's to make is passed on (:mod:`fleetgym.policy.teamwork`).
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import replace
from typing import TYPE_CHECKING

from fleetgym.contracts.errors import ModelError, PlanLost
from fleetgym.contracts.policy import IndependentCall
from fleetgym.contracts.tools import SUBMIT, ToolCall, ToolResult
from fleetgym.policy.blunders import as_planned, attempt
from fleetgym.policy.conversation import (
    Conversation,
    Exchange,
    Move,
    Parameters,
    Say,
    Use,
    call_text,
)
from fleetgym.policy.findings import written
from fleetgym.policy.profiles import Profile, draw
from fleetgym.policy.teamwork import chosen, ended, passed_on
from fleetgym.policy.trust import misled

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from fleetgym.contracts.policy import Plan, ReferencePolicy

__all__ = ["MAX_TRIES", "Driver", "play"]

MAX_TRIES = 3
"""How often a call is made that fails each time, or is asked of a colleague who does not make it,
before the plan is told so.
"""


class Driver:
    """One agent's model: follows a policy's plan as well as its profile lets it.

    Not thread-safe. Keeps the plan where the last request left it, so that a result is parsed
    once a run and not once a request.
    """

    def __init__(
        self, policy: ReferencePolicy, profile: Profile, seed: int, *, agent: str = "main"
    ) -> None:
        self._policy = policy
        self._profile = profile
        self._seed = seed
        self._agent = agent
        self._moves = 0
        self._plan: _PlanInProgress | None = None
        self._unreadable: set[tuple[str, ToolResult]] = set()
        self._passed_on = Counter[str]()
        self._speaks_first = False
        self._spoken: set[str] = set()

    @property
    def moves(self) -> int:
        """Moves made so far."""
        return self._moves

    def move(self, conversation: Conversation) -> Move:
        """Return what the model does next.

        Raises:
            ModelError: The plan raised something; the policy is broken.
        """
        index = self._moves
        self._moves += 1
        team = conversation.team
        if _submitted(conversation):
            return self._ended("The answer is submitted.", conversation)
        planned = self._next_call(conversation)
        if team is not None and not team.me and not conversation.offered:
            return chosen(team, team.owners.get(planned.name) if planned else None)
        if planned is None:
            return self._ended("There is nothing more that I can do.", conversation)
        if team is not None and planned.name not in conversation.offered:
            return self._passed(planned, team.owners[planned.name], conversation)
        # Once a run, whoever of its agents reads it: what it is told does not get truer.
        meant, said = misled(
            planned, conversation, self._profile, lambda name: draw(self._seed, name)
        )
        move = attempt(
            meant,
            conversation,
            self._profile,
            lambda name: draw(self._seed, self._agent, index, name),
        )
        if not isinstance(move, Use):
            return move
        beside = self._beside(planned, conversation) if move == as_planned(planned) else ()
        return replace(move, said=said, beside=beside)

    def _beside(self, planned: ToolCall, conversation: Conversation) -> tuple[Use, ...]:
        """Return what can be asked for together with a call, as far as it is still to be done."""
        more = self._profile.at_once - 1
        if not (more and conversation.several and isinstance(planned, IndependentCall)):
            return ()
        recorded = _Recorded(conversation, self._unreadable)
        others = [
            as_planned(other)
            for other in planned.others
            if other.name in conversation.offered and recorded.take(other) is None
        ]
        return tuple(others[:more])

    def _passed(self, planned: ToolCall, owner: str, conversation: Conversation) -> Move:
        """Leave a call to its owner, who may not have been told of what was found before.

        That shows when the call comes back unmade. Then the model writes what it found beside the
        hand-over. If that is not heard either, or a colleague has spoken, it speaks before it
        passes on, now and from then on, which costs a turn.
        """
        key = _key(planned, conversation.offered)
        tries = self._passed_on[key]
        self._speaks_first = self._speaks_first or conversation.spoken or tries > 1
        news = self._news(conversation)
        if self._speaks_first and news:
            self._spoken.update(call_text(exchange.call) for exchange in news)
            return ended(f"Next is {owner}, with {planned.name}.", news)
        self._passed_on[key] += 1
        move = passed_on(planned.name, owner, conversation, news=news, known=self._known())
        return replace(move, said=written(news)) if tries and isinstance(move, Use) else move

    def _ended(self, words: str, conversation: Conversation) -> Say:
        return Say(words) if conversation.team is None else ended(words, self._news(conversation))

    def _known(self) -> list[Exchange]:
        """Return what the plan has been told so far."""
        return [] if self._plan is None else self._plan.made()

    def _news(self, conversation: Conversation) -> list[Exchange]:
        """Return what the model's own tools said and no message tells of.

        For one that speaks first, what it wrote beside a call was told to nobody.
        """
        told = self._spoken
        if not self._speaks_first:
            told = {call_text(exchange.call) for exchange in conversation.reported}
        handed_in = [e for e in conversation.exchanges if e.call.name == SUBMIT]
        return [
            exchange
            for exchange in (*self._known(), *handed_in[-1:])
            if exchange.call.name in conversation.offered and call_text(exchange.call) not in told
        ]

    def _next_call(self, conversation: Conversation) -> ToolCall | None:
        recorded = _Recorded(conversation, self._unreadable)
        plan = self._plan_for(conversation.prompt)
        position = 0
        while (call := plan.call(position)) is not None:
            result = recorded.take(call)
            if result is None and self._can_be_had(call, recorded.key(call), conversation):
                return call
            if result is None and not conversation.offered and conversation.team is None:
                return None
            result = result or _not_offered(call)
            try:
                plan.send(position, result)
            except Exception as error:  # a plan may trip over anything it cannot read
                self._plan = None
                if result.is_error and isinstance(error, PlanLost):
                    return None
                if result.is_error:
                    raise _broken(f"after its call of {call.name!r}", error) from error
                # An error that does not look like one: a sentence where the plan expects JSON.
                self._unreadable.add((recorded.key(call), result))
                return self._next_call(conversation)
            position += 1
        return None

    def _can_be_had(self, call: ToolCall, key: str, conversation: Conversation) -> bool:
        """Return whether the model can make the call, or can still ask a colleague to."""
        if call.name in conversation.offered:
            return True
        team = conversation.team
        others = team is not None and team.owners.get(call.name, team.me) != team.me
        return others and self._passed_on[key] < MAX_TRIES

    def _plan_for(self, prompt: str) -> _PlanInProgress:
        if self._plan is None or self._plan.prompt != prompt:
            try:
                self._plan = _PlanInProgress(self._policy, prompt)
            except Exception as error:
                raise _broken("on this prompt", error) from error
        return self._plan


class _PlanInProgress:
    """A plan, the calls it has made, and the results it was sent."""

    def __init__(self, policy: ReferencePolicy, prompt: str) -> None:
        self.prompt = prompt
        self._policy = policy
        self._sent: list[ToolResult] = []
        self._calls: list[ToolCall | None] = []
        self._plan = self._started()

    def made(self) -> list[Exchange]:
        """Return the plan's calls that were answered, oldest first."""
        return [
            Exchange(call=call, result=result)
            for call, result in zip(self._calls, self._sent, strict=False)
            if call is not None
        ]

    def call(self, position: int) -> ToolCall | None:
        """Return the plan's call at this position, at most one past the last result sent."""
        return self._calls[position]

    def send(self, position: int, result: ToolResult) -> None:
        """Answer the call at this position; another answer than before takes the plan back."""
        if position < len(self._sent):
            if self._sent[position] == result:
                return
            earlier = self._sent[:position]
            self._plan = self._started()
            for sent in earlier:
                self._advance(sent)
        self._advance(result)

    def _started(self) -> Plan:
        plan = self._policy.plan(self.prompt)
        self._sent = []
        self._calls = [next(plan, None)]
        return plan

    def _advance(self, result: ToolResult) -> None:
        try:
            following = self._plan.send(result)
        except StopIteration:
            following = None
        self._sent.append(result)
        self._calls.append(following)


class _Recorded:
    """The results in a conversation, by call, each to be used once."""

    def __init__(
        self, conversation: Conversation, unreadable: Collection[tuple[str, ToolResult]]
    ) -> None:
        self._offered = conversation.offered
        self._results: dict[str, deque[ToolResult]] = defaultdict(deque)
        for exchange in conversation.exchanges:
            result = exchange.result
            key = self.key(exchange.call)
            if (key, result) in unreadable:
                result = replace(result, is_error=True)
            self._results[key].append(result)
        self._told: dict[str, deque[ToolResult]] = defaultdict(deque)
        for exchange in conversation.reported:
            self._told[self.key(exchange.call)].append(exchange.result)

    def take(self, call: ToolCall) -> ToolResult | None:
        """Return the next result of ``call``; None when it has to be made, or made again."""
        results = self._results[self.key(call)]
        for _ in range(MAX_TRIES - 1):
            if not results:
                return self._of_colleagues(call)
            result = results.popleft()
            if not result.is_error:
                return result
        return results.popleft() if results else self._of_colleagues(call)

    def _of_colleagues(self, call: ToolCall) -> ToolResult | None:
        """Return what a colleague told of the call, who has tried it often enough."""
        told = self._told[self.key(call)]
        return told.popleft() if len(told) > 1 else next(iter(told), None)

    def key(self, call: ToolCall) -> str:
        """Return equal text for calls that mean the same."""
        return _key(call, self._offered)


def play(
    policy: ReferencePolicy,
    prompt: str,
    call: Callable[[ToolCall], ToolResult],
    *,
    tools: Collection[str] | None = None,
) -> None:
    """Let a policy act directly, as :class:`Driver` would have it act through a perfect framework.

    Args:
        policy: The expert.
        prompt: The system text and the task, a blank line between them.
        call: Makes a call and returns its result; what it raises is let through.
        tools: Names of the tools there are; the plan is told of the others without a call. None
            when that is not known.
    """
    plan = _PlanInProgress(policy, prompt)
    sent: list[ToolResult] = []
    while (planned := plan.call(len(sent))) is not None:
        result = _not_offered(planned)
        for tries_left in reversed(range(MAX_TRIES)):
            if tools is None or planned.name in tools:
                result = call(planned)
            if result.is_error and tries_left:
                continue
            try:
                plan.send(len(sent), result)
                break
            except Exception as error:  # a plan may trip over anything it cannot read
                if isinstance(error, PlanLost) and not tries_left:
                    return
                if result.is_error:
                    raise
                plan = _PlanInProgress(policy, prompt)
                for position, earlier in enumerate(sent):
                    plan.send(position, earlier)
                if not tries_left:
                    result = replace(result, is_error=True)
                    plan.send(len(sent), result)
        sent.append(result)


def _broken(where: str, error: Exception) -> ModelError:
    what = f"{type(error).__name__}: {error}"
    return ModelError(f"The reference policy failed {where}: {what}.", status=500)


def _submitted(conversation: Conversation) -> bool:
    made = (*conversation.exchanges, *conversation.reported)
    return any(e.call.name == SUBMIT and not e.result.is_error for e in made)


def _key(call: ToolCall, offered: Mapping[str, Parameters]) -> str:
    """Return equal text for calls that mean the same.

    Frameworks read arguments into objects of their own and write them again, so an argument
    that is null or has its default is as good as absent, and 5.0 is 5.
    """
    parameters = offered.get(call.name) or Parameters()
    arguments = {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in call.arguments.items()
        if value is not None and value != parameters.schema_of(name).get("default")
    }
    return call_text(ToolCall(call.name, arguments))


def _not_offered(call: ToolCall) -> ToolResult:
    return ToolResult(f"Error: there is no tool {call.name!r} here.", is_error=True)
