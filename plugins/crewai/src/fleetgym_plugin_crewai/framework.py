"""CrewAI as its own guide builds a crew: an agent, a task, ``kickoff``."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

from fleetgym.worker import argument_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleetgym.contracts.episode import Episode
    from fleetgym.contracts.tools import ToolSpec

__all__ = ["CrewAI"]


class CrewAI:
    """Runs a ``Crew`` of one ``Agent`` with one ``Task``."""

    name: ClassVar[str] = "crewai"
    topologies: ClassVar[tuple[str, ...]] = ("single",)
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
        """Let the crew work until its task is done."""
        from crewai import LLM, Agent, Crew, Process, Task
        from crewai.llms.context_window import OPENAI_CONTEXT_WINDOWS

        del topology  # there is one
        endpoint = episode.model()
        if parameters["context_window"]:
            # The one place where a window can be declared for CrewAI's own OpenAI client.
            OPENAI_CONTEXT_WINDOWS.setdefault(endpoint.model, parameters["context_window"])
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
        agent = Agent(
            role="Agent",
            goal="Do the task with the tools at hand, and hand in the answer with `submit`.",
            backstory=episode.brief.system,
            llm=llm,
            tools=[_tool(episode, spec) for spec in episode.brief.tools],
            allow_delegation=False,
            cache=False,
            max_iter=parameters["max_rounds"],
            max_retry_limit=parameters["max_retry_limit"],
            verbose=False,
        )
        task = Task(
            description=episode.brief.task,
            expected_output="One sentence that says that the answer was submitted.",
            agent=agent,
        )
        crew = Crew(
            agents=[agent],
            tasks=[task],
            cache=False,
            memory=False,
            process=Process.sequential,
            tracing=False,
            verbose=False,
        )
        return crew.kickoff().raw


def _tool(episode: Episode, spec: ToolSpec) -> Any:
    from crewai.tools import BaseTool

    class EpisodeTool(BaseTool):
        def _run(self, **arguments: Any) -> str:
            # CrewAI fills in what the model left out.
            given = {name: value for name, value in arguments.items() if value is not None}
            return episode.call(spec.name, given).content

    return EpisodeTool(
        name=spec.name, description=spec.description, args_schema=argument_model(spec)
    )
