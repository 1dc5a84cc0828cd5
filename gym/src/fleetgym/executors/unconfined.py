"""``none``: the framework is a plain process with the runner's rights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgym import home
from fleetgym.executors.host_process import HostProcess
from fleetgym.executors.launch import ENVIRONMENT, worker_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fleetgym.executors.launch import Process
    from fleetgym.registry import RegisteredFramework

__all__ = ["Unconfined"]


class Unconfined:
    """For plugins that are trusted; hides only the environment."""

    kind = "none"
    private_network = False

    def single(self) -> bool:
        """Forks are all that is promised."""
        return False

    def part_by_processes(self) -> None:
        """Nothing asks for that."""
        raise NotImplementedError

    def facts(self, framework: RegisteredFramework) -> Mapping[str, str]:
        """There is nothing to tell."""
        del framework
        return {}

    async def launch(
        self, framework: RegisteredFramework, place: Path, log: Path, *, single: bool
    ) -> Process:
        """Start the plugin's interpreter."""
        own = place / "home"
        own.mkdir(exist_ok=True)
        cache = home.cache("imports") / framework.spec.name
        cache.mkdir(exist_ok=True)
        arguments = worker_arguments(framework, str(place), str(cache))
        declared = framework.spec.environment.items()
        return await HostProcess.start(
            framework,
            [str(framework.python), *arguments, *(["--single"] if single else [])],
            {
                **ENVIRONMENT,
                "HOME": str(own),
                **{variable: value.format(home=own) for variable, value in declared},
            },
            directory=own,
            log=log,
        )
