"""CrewAI as its own guide builds a crew: an agent, a task, ``kickoff``."""

from __future__ import annotations

import importlib
import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

from fleetgym.contracts.episode import passed
from fleetgym.worker import argument_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleetgym.contracts.episode import Episode
    from fleetgym.contracts.tools import ToolSpec

__all__ = ["CrewAI"]

_GOAL = "Do the task with the tools at hand, and hand in the answer with `submit`."
_SUBMITTED = "One sentence that says that the answer was submitted."
_FOUND = "What was found, for those who come next."


class CrewAI:
    """Runs a ``Crew`` of one ``Agent`` with one ``Task``, or of a team."""

    name: ClassVar[str] = "crewai"
    topologies: ClassVar[tuple[str, ...]] = ("single", "sequential", "hierarchical")
    defaults: ClassVar[Mapping[str, Any]] = {
        # Tokens that a model takes whose name is not in CrewAI's catalog; 0 leaves it at the 8,192
        # that CrewAI assumes, and then long results are deferred and conversations summarized.
        "context_window": 128_000,
        "max_retries": 2,
        # How often a task that failed is run again from its start.
        "max_retry_limit": 0,
        "max_rounds": 60,
        "temperature": 0.0,
        "timeout_s": 60.0,
    }

    def warm(self) -> None:
        """Import what a run needs."""
        for module in ("crewai", "crewai.llms.providers.openai.completion", "crewai.tools"):
            importlib.import_module(module)

    def versions(self) -> Mapping[str, str]:
        """Return what is measured."""
        return {name: version(name) for name in ("crewai", "openai")}

    def run(self, episode: Episode, topology: str, parameters: Mapping[str, Any]) -> str:
        """Let the crew work until its tasks are done."""
        from crewai.llms.context_window import OPENAI_CONTEXT_WINDOWS

        if parameters["context_window"]:
            # The one place where a window can be declared for CrewAI's own OpenAI client.
            model = episode.model().model
            OPENAI_CONTEXT_WINDOWS.setdefault(model, parameters["context_window"])
        build = {"sequential": _sequential, "hierarchical": _hierarchical}.get(topology, _single)
        return build(episode, parameters).kickoff().raw


def _single(episode: Episode, parameters: Mapping[str, Any]) -> Any:
    from crewai import Process

    brief = episode.brief
    agent = _agent(episode, "main", brief.system, brief.tools, parameters)
    return _crew([agent], [_task(episode, _SUBMITTED, agent)], Process.sequential)


def _sequential(episode: Episode, parameters: Mapping[str, Any]) -> Any:
    """Give each member the task, and those after it what it said."""
    from crewai import Process

    members = _members(episode, parameters)
    *first, last = members
    tasks = [_task(episode, _FOUND, agent) for agent in first]
    tasks.append(_task(episode, _SUBMITTED, last))
    names = [agent.role for agent in members]

    def done(output: Any) -> None:
        after = names.index(output.agent) + 1
        if after < len(names):
            episode.emit(passed("handoff", output.agent, names[after], output.raw))

    return _crew(members, tasks, Process.sequential, task_callback=done)


def _hierarchical(episode: Episode, parameters: Mapping[str, Any]) -> Any:
    """Give the task to a manager, who delegates it."""
    from crewai import Process

    team = episode.brief.team
    assert team is not None, "runs of a team are planned for scenarios that have one"
    lead = team.coordinator
    manager = _agent(episode, lead.name, lead.system, (), parameters, delegates=True)
    _watch_delegation(episode, lead.name)
    return _crew(
        _members(episode, parameters),
        [_task(episode, _SUBMITTED, None)],
        Process.hierarchical,
        manager_agent=manager,
    )


def _watch_delegation(episode: Episode, manager: str) -> None:
    from crewai.events import ToolUsageFinishedEvent, crewai_event_bus

    @crewai_event_bus.on(ToolUsageFinishedEvent)
    def delegated(_source: Any, event: Any) -> None:
        given = (
            event.tool_args if isinstance(event.tool_args, dict) else json.loads(event.tool_args)
        )
        if "coworker" in given:
            request = json.dumps(given)
            episode.emit(passed("handoff", manager, given["coworker"], request))
            episode.emit(passed("handoff", given["coworker"], manager, str(event.output)))


def _members(episode: Episode, parameters: Mapping[str, Any]) -> list[Any]:
    brief = episode.brief
    assert brief.team is not None, "runs of a team are planned for scenarios that have one"
    return [
        _agent(episode, one.name, one.system, brief.tools_of(one), parameters)
        for one in brief.team.members
    ]


def _agent(
    episode: Episode,
    name: str,
    system: str,
    tools: Sequence[ToolSpec],
    parameters: Mapping[str, Any],
    *,
    delegates: bool = False,
) -> Any:
    from crewai import LLM, Agent

    endpoint = episode.model(name)
    llm = LLM(
        # The prefix and the flag keep it on its own OpenAI client, whatever the model's name.
        model=f"openai/{endpoint.model}",
        custom_openai=True,
        base_url=endpoint.base_url,
        api_key=endpoint.api_key,
        default_headers=dict(endpoint.headers),
        max_retries=parameters["max_retries"],
        seed=episode.seed,
        temperature=parameters["temperature"],
        timeout=parameters["timeout_s"],
    )
    return Agent(
        role="Agent" if name == "main" else name,
        goal=_GOAL,
        backstory=system,
        llm=llm,
        tools=[_tool(episode, spec, name) for spec in tools],
        allow_delegation=delegates,
        cache=False,
        max_iter=parameters["max_rounds"],
        max_retry_limit=parameters["max_retry_limit"],
        verbose=False,
    )


def _task(episode: Episode, expected: str, agent: Any) -> Any:
    from crewai import Task

    return Task(description=episode.brief.task, expected_output=expected, agent=agent)


def _crew(agents: Sequence[Any], tasks: Sequence[Any], process: Any, **more: Any) -> Any:
    from crewai import Crew

    return Crew(
        agents=list(agents),
        tasks=list(tasks),
        cache=False,
        memory=False,
        process=process,
        tracing=False,
        verbose=False,
        **more,
    )


def _tool(episode: Episode, spec: ToolSpec, agent: str) -> Any:
    from crewai.tools import BaseTool

    class EpisodeTool(BaseTool):
        def _run(self, **arguments: Any) -> str:
            # CrewAI fills in what the model left out.
            given = {name: value for name, value in arguments.items() if value is not None}
            return episode.call(spec.name, given, agent=agent).content

    return EpisodeTool(
        name=spec.name, description=spec.description, args_schema=argument_model(spec)
    )
