from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import pytest
from docker.errors import NotFound

from fleetgym.contracts.errors import (
    MissingDependency,
    SandboxError,
    SpecError,
)
from fleetgym.contracts.sandbox import Limits, SandboxSpec
from fleetgym.contracts.tools import ToolCall
from fleetgym.sandboxes import check, provider
from fleetgym.version import __version__

if TYPE_CHECKING:
    from conftest import World
    from own_daemon import OwnDaemon

pytestmark = pytest.mark.docker

MIB = 1024**2

HOST = """
import sys, threading
from pathlib import Path
from fleetgym.contracts.sandbox import SandboxSpec
from fleetgym.contracts.tools import ToolCall
from fleetgym.sandboxes import provider

sandboxes = provider("docker")
sandbox = sandboxes.open(SandboxSpec(toolsets=("probe_toolset",), image={image!r}), Path({data!r}))
if {busy}:
    hang = ToolCall("hang", {{"text": "/sandbox/data/begun"}})
    threading.Thread(target=sandbox.call, args=[hang], daemon=True).start()
    Path({data!r}, "begun").read_text()
else:
    sandbox.close()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def client(docker_daemon: str) -> Iterator[docker.APIClient]:
    with closing(docker.APIClient(docker_daemon)) as client:
        yield client


def containers_of(client: Any, pid: int) -> set[str]:
    label = f"fleetgym.owner.pid={pid}"
    return {one["Id"] for one in client.containers(all=True, filters={"label": label})}


def own(client: Any) -> set[str]:
    return containers_of(client, os.getpid())


# What the container is


def test_the_container_is_as_closed_as_docker_can_make_it(in_docker: World, client: Any) -> None:
    before = own(client)
    limits = Limits(memory_bytes=128 * MIB, scratch_bytes=4 * MIB, processes=8, cpus=0.5)
    with in_docker.probe(limits=limits):
        (container,) = own(client) - before
        found = client.inspect_container(container)

    host, config = found["HostConfig"], found["Config"]
    assert (host["NetworkMode"], host["IpcMode"], host["PidMode"]) == ("none", "none", "")
    assert host["ReadonlyRootfs"]
    assert not host["Privileged"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert not host["Devices"]
    assert host["Memory"] == host["MemorySwap"] == (128 + 4 + 768) * MIB
    assert host["NanoCpus"] == 500_000_000
    assert host["PidsLimit"] == 4 * 8 + 64
    assert {u["Name"]: u["Hard"] for u in host["Ulimits"]} == {
        "core": 0,
        "fsize": 4 * MIB,
        "msgqueue": 0,
        "nofile": 256,
    }
    assert host["LogConfig"]["Type"] == "none"
    assert host["AutoRemove"]
    assert config["User"] == "65534:65534"
    assert config["Hostname"] == "sandbox"
    assert config["StdinOnce"]
    assert [(m["Destination"], m["RW"]) for m in found["Mounts"]] == [("/sandbox/data", False)]
    assert list(host["Tmpfs"]) == ["/sandbox/scratch"]


def test_the_environment_is_ours_alone(in_docker: World) -> None:
    with in_docker.probe() as probe:
        seen = dict(line.split("=", 1) for line in probe("environ").splitlines() if line)
    assert set(seen) <= {
        "ANONYMIZED_TELEMETRY", "HOME", "LANG", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
        "ORT_DISABLE_TELEMETRY", "PATH", "PWD", "PYTHONPATH", "TMPDIR",
    }  # fmt: skip


def test_files_that_only_their_owner_may_read_are_readable_inside(in_docker: World) -> None:
    (in_docker.data / "hello").chmod(0o600)
    in_docker.data.chmod(0o700)
    with in_docker.probe() as probe:
        assert probe("data", "hello") == "world"


def test_scratch_holds_no_more_files_than_its_bytes_pay_for(in_docker: World) -> None:
    with in_docker.probe() as probe:
        assert probe("make_files", "100000") == "No space left on device"
        assert probe("echo", "goes on") == "goes on"


def test_processes_that_take_too_much_memory_together_are_killed_and_no_others(
    in_docker: World,
) -> None:
    with (
        in_docker.probe() as other,
        in_docker.probe(limits=Limits(memory_bytes=128 * MIB)) as probe,
    ):
        assert int(probe("allocate_in_many", "15")) > 0
        assert other("echo", "goes on") == "goes on"


def test_no_more_processors_are_asked_for_than_there_are(in_docker: World) -> None:
    with in_docker.probe(limits=Limits(cpus=10_000)) as probe:
        assert probe("echo", "a") == "a"


def test_the_image_is_told_with_its_digest(in_docker: World, client: Any) -> None:
    spec = in_docker.spec()
    assert spec.image == "fleetgym-test-toolsets"
    with in_docker.probe():
        told = in_docker.sandboxes.provenance(spec)
    assert told == {
        "image": "fleetgym-test-toolsets",
        "image_id": client.inspect_image("fleetgym-test-toolsets")["Id"],
        "image_digests": "",
    }


def test_this_machines_docker_keeps_every_promise(docker_daemon: str) -> None:
    promises = check("docker")
    assert [promise for promise in promises if not promise.kept] == []
    assert len(promises) >= 10


# What is not there


def test_an_image_that_is_missing_is_told_with_what_makes_it(in_docker: World) -> None:
    spec = SandboxSpec(toolsets=("probe_toolset",), image="fleetgym-nowhere:1")
    with pytest.raises(MissingDependency, match=r"has no image 'fleetgym-nowhere:1'.*make images"):
        in_docker.sandboxes.open(spec, in_docker.data)


def test_a_toolset_that_is_not_in_the_image_is_told_with_how_to_add_it(in_docker: World) -> None:
    spec = SandboxSpec(toolsets=("probe_toolset",))
    with pytest.raises(
        SandboxError,
        match=rf"No module named 'probe_toolset'.*'fleetgym-toolserver:{__version__}': build one "
        "FROM fleetgym-toolserver with the packages under /opt/fleetgym/toolsets",
    ):
        in_docker.sandboxes.open(spec, in_docker.data)


def test_a_toolset_of_a_package_that_knows_the_answers_is_refused(in_docker: World) -> None:
    with pytest.raises(SpecError, match="knows the ground truth"):
        in_docker.sandboxes.open(SandboxSpec(toolsets=("fleetgym_env_x.tools",)), in_docker.data)


def test_an_image_without_our_python_is_told(in_docker: World, client: Any, tmp_path: Path) -> None:
    (tmp_path / "nothing").touch()
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY nothing /nothing\n")
    for _ in client.build(str(tmp_path), tag="fleetgym-test-empty", rm=True):
        pass
    spec = SandboxSpec(toolsets=("probe_toolset",), image="fleetgym-test-empty")
    with pytest.raises(SandboxError, match=r"refused: .*/opt/fleetgym/bin/python"):
        in_docker.sandboxes.open(spec, in_docker.data)


def test_an_image_with_volumes_is_refused(in_docker: World, client: Any, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {in_docker.image}\nVOLUME /var/anything\n")
    for _ in client.build(str(tmp_path), tag="fleetgym-test-volumes", rm=True):
        pass
    spec = SandboxSpec(toolsets=("probe_toolset",), image="fleetgym-test-volumes")
    with pytest.raises(SpecError, match="declares the volumes /var/anything"):
        in_docker.sandboxes.open(spec, in_docker.data)


# What is left behind


def test_a_closed_provider_leaves_no_container(in_docker: World, client: Any) -> None:
    before = own(client)
    with closing(provider("docker")) as sandboxes:
        idle, busy = (sandboxes.open(in_docker.spec(), in_docker.data) for _ in range(2))
        idle.close()
        busy.call(ToolCall("leave_process"))
        assert len(own(client) - before) == 2
    assert own(client) <= before


def test_a_host_that_is_killed_between_episodes_leaves_no_container(
    in_docker: World, client: Any
) -> None:
    host = _host(in_docker, busy=False)
    containers = containers_of(client, host.pid)
    host.kill()
    host.communicate()
    for container in containers:
        with suppress(NotFound):
            client.wait(container, timeout=30, condition="removed")
    assert containers_of(client, host.pid) == set()


# On a daemon of its own: whatever starts with Docker removes what it finds left behind.


@pytest.fixture
def alone(own_dockerd: OwnDaemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[docker.APIClient]:
    monkeypatch.setenv("DOCKER_HOST", own_dockerd.address)
    with closing(docker.APIClient(own_dockerd.address)) as client:
        yield client


@pytest.mark.slow
def test_what_a_killed_host_left_is_removed_at_the_next_start_and_nothing_else(
    in_docker: World, alone: Any
) -> None:
    unlabeled = alone.create_container(in_docker.image, ["x"])["Id"]
    labeled = alone.create_container(in_docker.image, ["x"], labels={"fleetgym": ""})["Id"]
    killed, living = _host(in_docker, busy=True), _host(in_docker, busy=True)
    try:
        left, kept = containers_of(alone, killed.pid), containers_of(alone, living.pid)
        assert len(left) == len(kept) == 1
        killed.kill()
        killed.wait()

        provider("docker").close()

        assert containers_of(alone, killed.pid) == set()
        assert containers_of(alone, living.pid) == kept
        assert {c["Id"] for c in alone.containers(all=True)} >= {unlabeled, labeled}
    finally:
        for host in (killed, living):
            host.kill()
            host.communicate()
        for container in (unlabeled, labeled, *containers_of(alone, living.pid)):
            alone.remove_container(container, force=True)


@pytest.mark.slow
def test_gc_says_what_it_removes_and_spares_the_living(
    in_docker: World, alone: Any, fleetgym: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    with (
        closing(provider("docker")) as sandboxes,
        closing(sandboxes.open(in_docker.spec(), in_docker.data)) as living,
    ):
        host = _host(in_docker, busy=True)
        (left,) = containers_of(alone, host.pid)
        host.kill()
        host.communicate()
        looked = json.loads(fleetgym("sandbox", "gc", "--dry-run", "--json").stdout)
        assert containers_of(alone, host.pid) == {left}
        removed = json.loads(fleetgym("sandbox", "gc", "--json").stdout)
        assert living.call(ToolCall("echo", {"text": "goes on"})).content == "goes on"

    told = {"what": "container", "name": left[:12], "purpose": "sandbox", "pid": host.pid}
    assert told in looked["left"]
    assert looked["left"] == removed["left"]
    assert {one["what"] for one in removed["left"]} == {"container", "directory"}
    assert containers_of(alone, host.pid) == set()
    assert json.loads(fleetgym("sandbox", "gc", "--json").stdout)["left"] == []


def _host(world: World, *, busy: bool) -> subprocess.Popen[str]:
    """Start a process with one container: in a call that never ends, or between episodes."""
    begun = world.data / "begun"
    if not begun.exists():
        os.mkfifo(begun)
        begun.chmod(0o666)
    code = HOST.format(image=world.image, data=str(world.data), busy=busy)
    host = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert host.stdout is not None
    assert host.stdout.readline() == "ready\n"
    return host
