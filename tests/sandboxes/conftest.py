"""Real sandboxes over a toolset that tries things."""

from __future__ import annotations

import io
import os
import shutil
import sys
import tarfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import docker
import pytest

from fleetgym.contracts.sandbox import Limits, Sandbox, SandboxProvider, SandboxSpec
from fleetgym.contracts.tools import ToolCall, ToolResult
from fleetgym.sandboxes import provider
from fleetgym.version import __version__

sys.path.insert(0, str(Path(__file__).parent))

from daemon_proxy import DaemonProxy, proxy_of
from own_daemon import OwnDaemon, own_daemon

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
    """Opens probes in one kind of sandbox."""

    def __init__(self, sandboxes: SandboxProvider, data: Path, image: str = "") -> None:
        self.sandboxes = sandboxes
        self.kind = sandboxes.kind
        self.data = data
        self.image = image

    def spec(
        self,
        toolset: str = "probe_toolset",
        *,
        mounts: Mapping[str, Path] | None = None,
        limits: Limits = LIMITS,
    ) -> SandboxSpec:
        return SandboxSpec(
            toolsets=(toolset,), mounts=mounts or {}, limits=limits, image=self.image
        )

    @contextmanager
    def probe(
        self,
        data: Path | None = None,
        *,
        toolset: str = "probe_toolset",
        mounts: Mapping[str, Path] | None = None,
        limits: Limits = LIMITS,
    ) -> Generator[Probe]:
        wanted = self.spec(toolset, mounts=mounts, limits=limits)
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


@pytest.fixture(scope="session")
def probe_image(docker_daemon: str) -> str:
    """Build an image that holds the toolsets of these tests, as a third party would."""
    dockerfile = f"FROM fleetgym-toolserver:{__version__}\nCOPY toolsets /opt/fleetgym/toolsets\n"
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        archive.add(TOOLSETS, "toolsets", filter=lambda i: None if "__pycache__" in i.name else i)
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile)
        archive.addfile(entry, io.BytesIO(dockerfile.encode()))
    context.seek(0)
    with closing(docker.DockerClient(docker_daemon)) as client:
        client.images.build(
            fileobj=context, custom_context=True, tag="fleetgym-test-toolsets", rm=True
        )
    return "fleetgym-test-toolsets"


_DOCKER = pytest.param("docker", marks=pytest.mark.docker)


@pytest.fixture(params=["local", _DOCKER, "none"])
def world(
    request: pytest.FixtureRequest, providers: Callable[[str], SandboxProvider], data: Path
) -> World:
    """Every kind of sandbox."""
    return _world(request, providers, data)


@pytest.fixture(params=["local", _DOCKER])
def isolated(
    request: pytest.FixtureRequest, providers: Callable[[str], SandboxProvider], data: Path
) -> World:
    """The kinds that isolate."""
    return _world(request, providers, data)


@pytest.fixture
def local(providers: Callable[[str], SandboxProvider], data: Path) -> World:
    """The kind that needs no daemon."""
    return World(providers("local"), data)


@pytest.fixture
def in_docker(providers: Callable[[str], SandboxProvider], data: Path, probe_image: str) -> World:
    """The kind that needs one."""
    return World(providers("docker"), data, probe_image)


@pytest.fixture
def daemon_proxy(
    docker_daemon: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DaemonProxy]:
    """A daemon that can be made to fail; it is in DOCKER_HOST."""
    with proxy_of(docker_daemon, tmp_path) as proxy:
        monkeypatch.setenv("DOCKER_HOST", proxy.address)
        yield proxy


def _world(
    request: pytest.FixtureRequest, providers: Callable[[str], SandboxProvider], data: Path
) -> World:
    image = request.getfixturevalue("probe_image") if request.param == "docker" else ""
    return World(providers(request.param), data, image)


@pytest.fixture
def own_dockerd(docker_daemon: str, probe_image: str) -> Iterator[OwnDaemon]:
    """A daemon that belongs to the test alone, and has the image of the others."""
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        pytest.fail("This test starts a Docker daemon: it needs root and `apt install docker.io`.")
    with own_daemon() as daemon:
        with (
            closing(docker.DockerClient(docker_daemon, timeout=300)) as from_client,
            closing(docker.DockerClient(daemon.address, timeout=300)) as to_client,
        ):
            image = from_client.images.get(probe_image)
            to_client.images.load(b"".join(image.save(named=True)))
        yield daemon
