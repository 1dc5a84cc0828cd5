"""Foreign MCP servers, well-behaved and odd, as the tools of a sandbox."""

from __future__ import annotations

import contextlib
import io
import os
import select
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest

from fleetgym.contracts.catalogue import read_catalogue, write_catalogue
from fleetgym.contracts.errors import SandboxError, SandboxTimeout, SpecError
from fleetgym.contracts.sandbox import Limits, SandboxProvider, SandboxSpec
from fleetgym.contracts.tools import ToolCall, ToolResult, ToolSpec
from fleetgym.sandboxes import conversation, foreign_server, list_tools, provider
from fleetgym.version import __version__

SERVERS = Path(__file__).parent / "mcp_servers"
HASTY = Limits(call_seconds=1)


def odd(mode: str = "plain", **more: Any) -> SandboxSpec:
    """Return the spec of a server that misbehaves in this way."""
    command = ("{python}", "{server}/odd_server.py", mode, "{data}")
    return SandboxSpec(server=command, mounts={"server": SERVERS}, **more)


HOST = """
import sys
from pathlib import Path
from fleetgym.contracts.sandbox import SandboxSpec
from fleetgym.contracts.tools import ToolCall
from fleetgym.sandboxes import provider

command = ("{{python}}", "{{server}}/odd_server.py", "plain")
spec = SandboxSpec(server=command, mounts={{"server": Path({servers!r})}})
sandbox = provider({kind!r}).open(spec, Path({data!r}))
sandbox.call(ToolCall("fork", {{"text": "3 {marker}"}}))
print("ready", flush=True)
sandbox.call(ToolCall("hang", {{}}))
"""


def opened(name: str) -> list[int]:
    """Return handles of the processes that were told this name."""
    handles: list[int] = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if name.encode() in (place / "cmdline").read_bytes().split(b"\0"):
                handles.append(os.pidfd_open(int(place.name)))
    return handles


def ended(handles: list[int]) -> bool:
    """Return whether all processes end."""
    gone = [handle for handle in handles if select.select([handle], [], [], 20)[0]]
    for handle in handles:
        os.close(handle)
    return gone == handles


class Odd:
    """One episode of the server."""

    def __init__(self, call: Callable[[ToolCall], ToolResult]) -> None:
        self._call = call

    def result(self, name: str, text: object = "") -> ToolResult:
        return self._call(ToolCall(name, {"text": str(text)}))

    def __call__(self, name: str, text: object = "") -> str:
        return self.result(name, text).content


class Kind:
    """One kind of sandbox."""

    def __init__(self, sandboxes: SandboxProvider, data: Path) -> None:
        self.name = sandboxes.kind
        self.sandboxes = sandboxes
        self.data = data

    @contextmanager
    def server(self, spec: SandboxSpec | None = None) -> Generator[Odd]:
        with closing(self.sandboxes.open(spec or odd(), self.data)) as sandbox:
            yield Odd(sandbox.call)


@pytest.fixture(scope="module", params=["local", "none"])
def sandboxes(request: pytest.FixtureRequest, own_home: Path) -> Iterator[SandboxProvider]:
    with closing(provider(request.param)) as made:
        yield made


@pytest.fixture
def kind(sandboxes: SandboxProvider, data: Path) -> Kind:
    return Kind(sandboxes, data)


@pytest.fixture
def none(data: Path, own_home: Path) -> Iterator[Kind]:
    """For what is the same in every kind."""
    with closing(provider("none")) as made:
        yield Kind(made, data)


def test_a_server_answers_and_sees_the_files_of_its_episode(kind: Kind) -> None:
    with kind.server() as server:
        assert server.result("echo", "é\n𝄞") == ToolResult("é\n𝄞")
        assert server("files", "*") == "hello"


def test_an_error_result_and_an_error_response_are_answers_to_the_agent(kind: Kind) -> None:
    with kind.server() as server:
        assert server.result("fail", "no way") == ToolResult("no way", is_error=True)
        wrong = "ValueError: invalid literal for int() with base 10: 'x'"
        assert server.result("much", "x") == ToolResult(wrong, is_error=True)
        assert server.result("ecko") == ToolResult("There is no tool 'ecko'.", is_error=True)


def test_what_is_no_text_is_named_by_its_type_and_size(none: Kind) -> None:
    with none.server() as server:
        assert server("parts").splitlines() == [
            "first",
            "[image: image/png, 10 bytes]",
            "[audio: audio/wav, 10 bytes]",
            "[resource: x://t, text/x, 2 bytes]",
            "é",
            "[resource: x://b, unknown type, 10 bytes]",
            "last",
        ]
        assert server("structured") == '{"rows": [1, 2]}'


def test_a_long_result_is_cut_and_says_so(none: Kind) -> None:
    with none.server(odd(limits=Limits(output_bytes=1001))) as server:
        cut = "é" * 500 + "\n[cut: 1000 of 4000 bytes are shown; ask for less]"
        assert server("much", 2000) == cut


@pytest.mark.parametrize("mode", ["plain", "old", "new", "junk", "pages"])
def test_every_server_that_speaks_some_mcp_will_do(none: Kind, mode: str) -> None:
    with none.server(odd(mode)) as server:
        assert server("echo", "here") == "here"
        assert server("write", "/no/such/folder") == "No such file or directory"


def test_what_a_server_says_unasked_does_not_matter(kind: Kind) -> None:
    with kind.server() as server:
        assert server("junk", 1000) == "said anyway"
        assert server("chatter") == "after the chatter"
        assert server("echo", "goes on") == "goes on"


def test_what_a_server_asks_of_its_client_is_refused(none: Kind) -> None:
    with none.server() as server:
        assert server("sample").splitlines() == [
            "-32600 Sampling not supported",
            "-32600 List roots not supported",
            "-32600 Elicitation not supported",
            "-32601 Method not found",
        ]


def test_a_call_that_takes_too_long_is_an_answer_when_the_server_is_there(kind: Kind) -> None:
    with kind.server(odd(limits=HASTY)) as server:
        late = ToolResult("sleep took longer than 1 s. Ask for less.", is_error=True)
        assert server.result("sleep") == late
        assert server("echo", "goes on") == "goes on"


def test_a_server_that_does_not_answer_at_all_voids_the_episode(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "PATIENCE_S", 0.2)
    told = r"hang did not answer within 1 s, and then .* did not answer a ping within 0\.2 s"
    with (
        kind.server(odd(limits=HASTY)) as server,
        pytest.raises(SandboxTimeout, match=told),
    ):
        server("hang")


def test_a_server_that_crashes_voids_the_episode_and_the_next_one_has_its_own(kind: Kind) -> None:
    with kind.server() as server:
        with pytest.raises(SandboxError, match=r"died during die\. out of luck"):
            server("die", "out of luck")
        with pytest.raises(SandboxError, match="is gone"):
            server("echo")
    with kind.server() as server:
        assert server("echo", "another one") == "another one"


@pytest.mark.parametrize("tool", ["flood", "answers", "endless"])
def test_a_server_that_does_not_stop_talking_voids_the_episode(kind: Kind, tool: str) -> None:
    with kind.server() as server, pytest.raises(SandboxError, match=f"died during {tool}"):
        server(tool)


def test_more_junk_than_is_borne_voids_the_episode(none: Kind) -> None:
    with none.server() as server, pytest.raises(SandboxError, match=r"5 lines, \d+ bytes"):
        server("junk", foreign_server.MAX_NOISE_BYTES)


def test_a_result_that_is_none_voids_the_episode(none: Kind) -> None:
    with none.server() as server, pytest.raises(SandboxError, match="what MCP does not allow"):
        server("nonsense")


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        pytest.param("never-starts", "no such thing", id="dies"),
        pytest.param("unknown", "Unsupported protocol version.*1999-01-01", id="protocol"),
        pytest.param("endless-pages", "more than 100 pages", id="pages"),
    ],
)
def test_a_server_that_cannot_be_used_is_told_with_what_it_said(
    none: Kind, mode: str, told: str
) -> None:
    with pytest.raises(SandboxError, match=told), none.server(odd(mode)):
        pass


def test_a_command_that_there_is_not_is_told(kind: Kind) -> None:
    spec = SandboxSpec(server=("no-such-server",))
    with pytest.raises(SandboxError, match="'no-such-server' cannot be started"), kind.server(spec):
        pass


def test_a_place_that_there_is_not_is_told(none: Kind) -> None:
    spec = SandboxSpec(server=("x", "{kb}/y", '{"not": "a place"}'), mounts={"docs": SERVERS})
    told = r"has '\{kb\}', which is no directory of the sandbox\. There are data, docs, python, s"
    with pytest.raises(SpecError, match=told), none.server(spec):
        pass


def test_an_image_alone_needs_containers(none: Kind) -> None:
    with pytest.raises(SpecError, match="'acme/desk' runs in a container only"):
        none.sandboxes.open(SandboxSpec(image="acme/desk"), none.data)


def test_tools_and_server_are_not_both_given() -> None:
    with pytest.raises(SpecError, match="toolsets or a server, not both"):
        SandboxSpec(toolsets=("a",), server=("b",))
    with pytest.raises(SpecError, match="needs toolsets, or the command or image"):
        SandboxSpec()


def test_names_that_models_cannot_call_are_changed(none: Kind) -> None:
    found = list_tools("none", odd("names"), none.data)
    assert [(tool.name, tool.destructive) for tool in found] == [
        ("files_read", False),
        ("files_write", True),
    ]


def test_tools_that_have_changed_are_told_with_the_command_that_takes_them_over(
    none: Kind, tmp_path: Path
) -> None:
    path = tmp_path / "tools.json"
    write_catalogue(path, list_tools("none", odd(), none.data))
    with none.server(odd(catalogue=path)) as server:
        assert server("echo", "as it was") == "as it was"

    told = (
        r"renamed: echo to repeat; new: invent; changed: sleep \(description\)\. .*"
        r"`fleetgym tools from-mcp --out .*/tools\.json --mount server=.*/mcp_servers -- "
        r"'\{python\}' '\{server\}/odd_server\.py' changed '\{data\}'`"
    )
    with pytest.raises(SpecError, match=told), none.server(odd("changed", catalogue=path)):
        pass


def test_a_catalogue_comes_back_as_it_was_written(tmp_path: Path) -> None:
    tools = [
        ToolSpec(name="a", description="é", parameters={"type": "object"}, destructive=True),
        ToolSpec(name="b", description="", parameters={"type": "object", "required": []}),
    ]
    write_catalogue(tmp_path / "tools.json", tools)
    assert [*read_catalogue(tmp_path / "tools.json")] == tools


def test_no_two_episodes_share_a_server(kind: Kind) -> None:
    seen: set[str] = set()
    for prestart in (False, False, True, True, True):
        with kind.server(odd(prestart=prestart)) as server:
            assert server("files", "*") == "hello"
            server("write", "left")
            seen.add(server("started"))
    assert len(seen) == 5


def test_files_of_the_host_cannot_be_written(sandboxes: SandboxProvider, data: Path) -> None:
    if sandboxes.kind == "none":
        return
    with Kind(sandboxes, data).server() as server:
        for place in ("/usr/x", "/sandbox/data/x", "/sandbox/server/x", "/x"):
            assert server.result("write", place).is_error
        assert server("write", "/sandbox/scratch/x") == "written"


def test_the_hosts_environment_is_hidden(kind: Kind) -> None:
    with kind.server() as server:
        seen = set(server("environment").splitlines())
        assert not {"OPENAI_API_KEY", "FLEETGYM_HOME", "PYTHONPATH"} & seen
        assert {"HOME", "PATH", "TMPDIR"} <= seen


def test_a_server_that_forks_too_much_voids_the_episode(kind: Kind) -> None:
    with kind.server(odd(limits=Limits(processes=8))) as server:
        assert server("fork", 5) == "forked"
        with pytest.raises(SandboxError, match="more than 8 processes"):
            server("fork_and_hang", 20)


def test_what_a_server_started_ends_with_its_episode(kind: Kind) -> None:
    name = f"left-in-{kind.name}-{os.getpid()}"
    with kind.server() as server:
        server("fork", f"3 {name}")
        left = opened(name)
        assert len(left) == 3
    assert ended(left)


@pytest.mark.parametrize("name", ["local", "none"])
def test_no_server_outlives_a_host_that_is_killed(name: str, data: Path, own_home: Path) -> None:
    marker = f"orphan-in-{name}-{os.getpid()}"
    code = HOST.format(kind=name, servers=str(SERVERS), data=str(data), marker=marker)
    host = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert host.stdout is not None
    with host, host.stdout:
        assert host.stdout.readline() == b"ready\n"
        left = opened(marker)
        host.kill()
    assert len(left) == 3
    assert ended(left)


def test_a_server_that_takes_too_much_memory_voids_the_episode(kind: Kind) -> None:
    with (
        kind.server(odd(limits=Limits(memory_bytes=128 * 1024**2))) as server,
        pytest.raises(SandboxError, match=r"allocate.* more than 134217728 bytes of memory"),
    ):
        server("allocate", 512 * 1024**2)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node under /usr")
def test_a_server_in_node_works(kind: Kind) -> None:
    spec = SandboxSpec(
        server=("node", "{server}/node_server.mjs", "{data}"), mounts={"server": SERVERS}
    )
    with kind.server(spec) as server:
        assert server("echo", "from node") == "from node: hello"


@pytest.fixture(scope="module")
def image(docker_daemon: str) -> str:
    """Build an image with a server as its entry point, which knows nothing of fleetgym."""
    dockerfile = (
        f"FROM fleetgym-toolserver:{__version__}\nCOPY odd_server.py /srv/\n"
        'ENTRYPOINT ["/opt/fleetgym/bin/python", "/srv/odd_server.py"]\nCMD ["plain"]\n'
    )
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        archive.add(SERVERS / "odd_server.py", "odd_server.py")
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile)
        archive.addfile(entry, io.BytesIO(dockerfile.encode()))
    context.seek(0)
    with closing(docker.DockerClient(docker_daemon)) as client:
        client.images.build(fileobj=context, custom_context=True, tag="fleetgym-test-mcp", rm=True)
    return "fleetgym-test-mcp"


@pytest.fixture(scope="module")
def containers(docker_daemon: str, own_home: Path) -> Iterator[SandboxProvider]:
    with closing(provider("docker")) as made:
        yield made


@pytest.mark.docker
def test_an_image_with_a_server_needs_no_command(
    containers: SandboxProvider, image: str, data: Path
) -> None:
    with Kind(containers, data).server(SandboxSpec(image=image)) as server:
        assert server("echo", "by default") == "by default"


@pytest.mark.docker
def test_a_command_tells_the_entry_point_of_an_image(
    containers: SandboxProvider, image: str, data: Path
) -> None:
    spec = SandboxSpec(image=image, server=("old", "{data}"), prestart=True)
    for _ in range(3):
        with Kind(containers, data).server(spec) as server:
            assert server("files", "*") == "hello"
            assert server("write", "{data}/x") == "No such file or directory"
            assert server.result("write", "/srv/x").is_error


@pytest.mark.docker
def test_a_server_runs_in_our_own_image_too(containers: SandboxProvider, data: Path) -> None:
    with Kind(containers, data).server() as server:
        assert server("files", "*") == "hello"
        with pytest.raises(SandboxError, match="more than 64 processes"):
            server("fork_and_hang", 80)


@pytest.mark.docker
def test_an_image_whose_server_does_not_start_is_told_with_what_it_needs(
    containers: SandboxProvider, image: str, data: Path
) -> None:
    told = "no such thing The MCP server and what it needs must be in the image 'fleetgym-test-mcp'"
    spec = SandboxSpec(image=image, server=("never-starts",))
    with pytest.raises(SandboxError, match=told), Kind(containers, data).server(spec):
        pass
