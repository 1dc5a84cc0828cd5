"""An episode over HTTP, as `docs/protocol.md` describes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import httpx

from fleetgym.contracts.episode import Brief, ModelEndpoint
from fleetgym.contracts.errors import EpisodeOver, OperatorError, SandboxError, ToolUnreachable
from fleetgym.contracts.scenario import Budget
from fleetgym.contracts.team import Member, Team
from fleetgym.contracts.tools import SUBMIT, ToolResult, ToolSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.episode import Event

__all__ = ["HttpEpisode"]

# How long a tool takes is the episode's to limit: it ends the run, and with it this process.
_TIMEOUT = httpx.Timeout(None, connect=10)


class HttpEpisode:
    """The only thing that a framework may talk to; implements ``contracts.episode.Episode``."""

    def __init__(self, url: str, token: str) -> None:
        """Fetch the brief.

        Args:
            url: Of the episode.
            token: Its bearer token, which is the key for the model as well.

        Raises:
            EpisodeOver: It has ended already.
            OperatorError: Nobody answers there, or not as the protocol says.
        """
        self._url = url
        self._token = token
        # Neither a proxy nor certificates: loading these would cost every run 20 ms for nothing.
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {token}"},
            timeout=_TIMEOUT,
            trust_env=False,
            verify=url.startswith("https:"),
        )
        try:
            told = self._ask("GET", "brief")
        except BaseException:
            self.close()
            raise
        self._brief = Brief(
            system=told["system"],
            task=told["task"],
            tools=tuple(ToolSpec(**tool) for tool in told["tools"]),
            artifact_schema=told["artifact_schema"],
            team=_team(told.get("team")),
        )
        self._budget = Budget(**told["budget"])
        self._seed = int(told["seed"])
        self._model: Mapping[str, Any] = told["model"]
        self._submitted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the episode goes on."""
        self._client.close()

    @property
    def brief(self) -> Brief:
        """What the agent is told."""
        return self._brief

    @property
    def budget(self) -> Budget:
        """What the run may spend."""
        return self._budget

    @property
    def seed(self) -> int:
        """For the model's ``seed`` parameter."""
        return self._seed

    @property
    def submitted(self) -> bool:
        """Whether an artifact has been accepted."""
        return self._submitted

    def call(self, name: str, arguments: Mapping[str, Any], *, agent: str = "main") -> ToolResult:
        """Call a tool.

        Raises:
            EpisodeOver: The episode has ended; stop.
            SandboxError: The sandbox failed; the run is void.
            ToolUnreachable: There is no answer; let it through, as any tool's exception.
        """
        body = {"arguments": dict(arguments), "agent": agent}
        return self._step(f"tools/{quote(name, safe='')}", body, submits=name == SUBMIT)

    def submit(self, artifact: Mapping[str, Any] | str, *, agent: str = "main") -> ToolResult:
        """Hand in the artifact, an object or its JSON text."""
        return self._step("submit", {"artifact": artifact, "agent": agent}, submits=True)

    def model(self, agent: str = "main") -> ModelEndpoint:
        """Return the endpoint of one agent."""
        return ModelEndpoint(
            base_url=self._model["base_url"].replace("{agent}", agent),
            api_key=self._token,
            model=self._model["name"],
            headers=self._model["headers"],
        )

    def emit(self, event: Event) -> None:
        """Record what only the framework can see."""
        attributes = dict(event.attributes)
        body = {"kind": event.kind, "agent": event.agent, "attributes": attributes}
        self._ask("POST", "events", body)

    def _step(self, path: str, body: Mapping[str, Any], *, submits: bool) -> ToolResult:
        try:
            told = self._ask("POST", path, body)
        except _TooLargeError as error:
            return ToolResult(f"Error: {error}", is_error=True)
        if submits and told["over"] and not told["is_error"]:
            self._submitted = True
        return ToolResult(told["content"], is_error=told["is_error"])

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        # An agent's arguments may be anything a framework made of the model's words.
        content = None if body is None else json.dumps(body, default=str)
        try:
            response = self._client.request(
                method,
                f"{self._url}/{path}",
                content=content,
                headers={"Content-Type": "application/json"},
            )
        except httpx.TransportError as error:
            raise OperatorError(f"The episode at {self._url} does not answer: {error}.") from error
        if response.is_success:
            return response.json() if response.content else {}
        raise _refusal(response)


def _team(told: Mapping[str, Any] | None) -> Team | None:
    if told is None:
        return None
    return Team(
        coordinator=_member(told["coordinator"]),
        members=[_member(one) for one in told["members"]],
    )


def _member(told: Mapping[str, Any]) -> Member:
    return Member(
        name=told["name"],
        description=told["description"],
        system=told["system"],
        tools=tuple(told["tools"]),
    )


class _TooLargeError(Exception):
    """What the agent sent is larger than an episode takes."""


def _refusal(response: httpx.Response) -> Exception:
    try:
        message = str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = response.text[:200]
    match response.status_code:
        case 404 | 410:
            return EpisodeOver(message)
        case 413:
            return _TooLargeError(message)
        case 502:
            return ToolUnreachable(message)
        case 503:
            return SandboxError(message)
        case status:
            return OperatorError(
                f"The episode answered {response.request.method} {response.request.url.path} with "
                f"status {status}: {message}"
            )
