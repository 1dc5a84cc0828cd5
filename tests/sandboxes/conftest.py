"""Real sandboxes over a toolset that tries things."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fleetgym.contracts.sandbox import Limits, Sandbox, SandboxProvider, SandboxSpec
from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.sandboxes import KINDS, provider

TOOLSETS = Path(__file__).parent / "toolset_package"
LIMITS = Limits(scratch_bytes=4 * 1024**2)


class Probe:
    """One open sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def __call__(self, name: str, /, *text: str) -> str:
        """Return what a tool says, right or wrong."""
        return self.result(name, *text).content

    def result(self, name: str, /, *text: str) -> ToolResult:
        return self.sandbox.call(ToolCall(name, dict(zip(("text",), text, strict=False))))


class World:
    """Opens probes."""

    def __init__(self, sandboxes: SandboxProvider, data: Path) -> None:
        self.sandboxes = sandboxes
        self.data = data

    @contextmanager
    def probe(
        self,
        data: Path | None = None,
        *,
        toolset: str = "probe_toolset",
        mounts: Mapping[str, Path] | None = None,
        limits: Limits = LIMITS,
    ) -> Generator[Probe]:
        wanted = SandboxSpec(toolsets=(toolset,), mounts=mounts or {}, limits=limits)
        with closing(self.sandboxes.open(wanted, data or self.data)) as sandbox:
            yield Probe(sandbox)


@pytest.fixture(scope="module", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEETGYM_HOME", str(home))
        patch.setenv("OPENAI_API_KEY", "sk-never-to-be-seen")
        patch.setattr(sys, "path", [*sys.path, str(TOOLSETS)])
        yield home


@pytest.fixture
def toolsets() -> Path:
    return TOOLSETS


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    (path / "hello").write_text("world")
    return path


@pytest.fixture(scope="module")
def providers(own_home: Path) -> Iterator[Callable[[str], SandboxProvider]]:
    made: dict[str, SandboxProvider] = {}

    def get(kind: str) -> SandboxProvider:
        if kind not in made:
            made[kind] = provider(kind)
        return made[kind]

    yield get
    for one in made.values():
        one.close()


@pytest.fixture(params=KINDS)
def world(
    request: pytest.FixtureRequest, providers: Callable[[str], SandboxProvider], data: Path
) -> World:
    """Every kind of sandbox."""
    return World(providers(request.param), data)


@pytest.fixture
def local(providers: Callable[[str], SandboxProvider], data: Path) -> World:
    """The kind that isolates."""
    return World(providers("local"), data)
