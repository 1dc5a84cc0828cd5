from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import fleetgym
from fleetgym.contracts.errors import SandboxError
from fleetgym.contracts.sandbox import Limits

if TYPE_CHECKING:
    from conftest import World

NOT_WRITTEN = ("Read-only file system", "No such file or directory", "Permission denied")
REPOSITORY = Path(__file__).parents[2]


NOT_THERE = ("No such file or directory", "Permission denied")


@pytest.mark.parametrize(
    "path",
    [
        "/etc/shadow",
        "/root/.ssh",
        str(REPOSITORY / "pyproject.toml"),
        str(REPOSITORY / "envs"),
        str(REPOSITORY / "graders"),
        str(Path(__file__)),
    ],
)
def test_files_of_the_host_cannot_be_read(isolated: World, path: str) -> None:
    with isolated.probe() as probe:
        assert probe("read", path) in NOT_THERE


@pytest.mark.parametrize("path", ["/etc/passwd", "/home", "/var"])
def test_the_hosts_system_is_shown_only_as_far_as_python_needs_it(local: World, path: str) -> None:
    with local.probe() as probe:
        assert probe("read", path) == "No such file or directory"


def test_the_state_directory_with_other_instances_cannot_be_read(
    isolated: World, own_home: Path
) -> None:
    (own_home / "instance.json").write_text("the truth")
    with isolated.probe() as probe:
        assert probe("read", str(own_home / "instance.json")) in NOT_THERE


def test_of_a_source_tree_only_what_toolsets_need_is_there(local: World) -> None:
    source = Path(fleetgym.__file__).parents[1]
    with local.probe() as probe:
        assert probe("read", str(source)) == "fleetgym"
        assert probe("read", str(Path(__file__).parent / "toolset_package")) == "probe_toolset.py"


def test_a_package_that_no_toolset_needs_cannot_be_imported(local: World) -> None:
    with local.probe() as probe:
        assert probe("import_module", "fleetgym_kb") == "No module named 'fleetgym_kb'"


@pytest.mark.parametrize(
    "name",
    [
        "fleetgym_env_cti_realm",
        "fleetgym_env_tiny",
        "fleetgym_estate",
        "fleetgym_graders",
        "fleetgym_platform",
        "fleetgym_warehouse",
    ],
)
def test_what_knows_the_answers_cannot_be_imported(isolated: World, name: str) -> None:
    with isolated.probe() as probe:
        assert probe("import_module", name) == f"No module named {name!r}"
        assert probe("import_module", "fleetgym.contracts") == "fleetgym.contracts"


@pytest.mark.parametrize(
    "place",
    ["/", "/tmp", "/dev/shm", "/usr/lib", "/sandbox", "/sandbox/data", Path(os.__file__).parent],
)
def test_only_scratch_can_be_written(isolated: World, place: Path | str) -> None:
    with isolated.probe() as probe:
        assert probe("write", f"{place}/leak") in NOT_WRITTEN
        assert probe("write", "leak") == "written"


@pytest.mark.parametrize("name", ["sysrq-trigger", "sys/kernel/core_pattern", "self/comm"])
def test_settings_of_the_machine_cannot_be_changed(local: World, name: str) -> None:
    with local.probe() as probe:
        assert probe("write", f"/proc/{name}") in NOT_WRITTEN


@pytest.mark.parametrize("name", ["kcore", "keys", "kpageflags", "timer_list"])
def test_what_tells_of_the_whole_machine_is_covered(local: World, name: str) -> None:
    with local.probe() as probe:
        assert probe("read", f"/proc/{name}") in ("", *NOT_WRITTEN)


def test_the_instances_files_cannot_be_changed(isolated: World) -> None:
    with isolated.probe() as probe:
        assert probe("write", "/sandbox/data/hello") == "Read-only file system"
    assert (isolated.data / "hello").read_text() == "world"


def test_scratch_is_limited(isolated: World) -> None:
    with isolated.probe() as probe:
        assert probe("fill_scratch", "8") == "No space left on device"


def test_no_variable_of_the_host_can_be_seen(isolated: World) -> None:
    with isolated.probe() as probe:
        seen = probe("environ")
    assert "PATH=/usr/bin:/bin" in seen
    assert os.environ["OPENAI_API_KEY"] not in seen


def test_a_tool_server_without_isolation_gets_no_variable_of_the_host_either(world: World) -> None:
    with world.probe() as probe:
        assert "OPENAI_API_KEY" not in probe("read", "/proc/self/environ")


def test_the_hosts_loopback_cannot_be_reached(isolated: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, isolated.probe() as probe:
        assert "refused" in probe("connect", f"127.0.0.1:{listener.getsockname()[1]}")


def test_an_agent_that_takes_over_a_process_cannot_look_into_the_server(isolated: World) -> None:
    with isolated.probe() as probe:
        pid, _ = probe("server").split()
        assert probe("read", f"/proc/{pid}/environ") == "Permission denied"


def test_too_many_processes_void_the_episode(isolated: World) -> None:
    with (
        isolated.probe(limits=Limits(processes=8)) as probe,
        pytest.raises(SandboxError, match="more than 8 processes"),
    ):
        probe("fork_many", "20")
