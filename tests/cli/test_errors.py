"""What users see when something is wrong: one clear line, an exit code, never a traceback."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

WRONG_USE, MACHINE_LACKS = 2, 3


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_an_unknown_scenario_is_told_with_the_nearest(
    suite: Callable[..., Path], fleetgym: Run, tmp_path: Path
) -> None:
    path = suite()
    path.write_text(path.read_text().replace("tiny/*", "tiny/numbre"))

    refused(
        fleetgym("run", path, "--out", tmp_path / "runs"),
        WRONG_USE,
        "There is no scenario 'tiny/numbre'. Did you mean 'tiny/number'?",
    )


@pytest.mark.frameworks
def test_an_unknown_framework_is_told_with_the_nearest(
    suite: Callable[..., Path], fleetgym: Run
) -> None:
    refused(fleetgym("plan", suite("langgrph")), WRONG_USE, "Did you mean 'langgraph'?")


def test_a_framework_that_is_gone_is_told_with_what_brings_it_back(
    suite: Callable[..., Path], fleetgym: Run
) -> None:
    refused(fleetgym("plan", suite("zeta")), WRONG_USE, "'zeta'", "fleetgym plugins add FOLDER")


def test_an_unknown_model_is_told_with_the_nearest(
    suite: Callable[..., Path], fleetgym: Run
) -> None:
    done = fleetgym("run", suite(), "--model", "policy/exprt")

    refused(done, WRONG_USE, "There is no model 'policy/exprt'. Did you mean 'policy/expert'?")


@pytest.mark.frameworks
def test_an_unknown_parameter_is_told_with_the_nearest(
    suite: Callable[..., Path], fleetgym: Run
) -> None:
    done = fleetgym("run", suite(), "--set", "autogen.max_retris=3")

    refused(done, WRONG_USE, "Did you mean 'max_retries'?")


def test_a_malformed_suite_is_told_with_file_line_and_field(
    suite: Callable[..., Path], fleetgym: Run
) -> None:
    refused(fleetgym("plan", suite(more="colour: red")), WRONG_USE, "suite.yaml:7: colour: unknown")


def test_a_missing_key_is_told_with_its_variable(suite: Callable[..., Path], fleetgym: Run) -> None:
    done = fleetgym(
        "run", suite(), "--base-url", "http://127.0.0.1:9/v1", "--model", "m",
        "--api-key-env", "NO_SUCH_KEY",
    )  # fmt: skip

    refused(done, MACHINE_LACKS, "NO_SUCH_KEY is not set")


@pytest.mark.frameworks
def test_a_plugin_environment_that_is_gone_is_told_with_what_to_do(
    suite: Callable[..., Path], fleetgym: Run, tmp_path: Path
) -> None:
    venv = tmp_path / "home" / "venvs" / "autogen"
    venv.mkdir(parents=True)
    (venv / "fleetgym-plugin.json").write_text("{}")
    elsewhere = {"FLEETGYM_HOME": str(tmp_path / "home")}

    listed = fleetgym("plugins", "list", environment=elsewhere)
    done = fleetgym("run", suite(), environment=elsewhere)

    assert "broken: its interpreter" in listed.stdout.replace("\n", " ")
    refused(done, MACHINE_LACKS, "Framework 'autogen' is broken", "fleetgym plugins add")


def test_a_sandbox_that_cannot_be_had_is_told_with_what_to_install(
    fleetgym: Run, tmp_path: Path
) -> None:
    # A bubblewrap that this machine forbids, found before the one of the Python package.
    forbidden = tmp_path / "bwrap"
    forbidden.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create namespace' >&2\nexit 1\n"
    )
    forbidden.chmod(0o755)

    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = fleetgym("doctor", "--json", environment=path)

    refused(done, MACHINE_LACKS)
    assert "kernel.unprivileged_userns_clone" in done.stdout


def test_isolation_that_cannot_be_had_is_refused_with_the_way_without(
    suite: Callable[..., Path], fleetgym: Run, tmp_path: Path
) -> None:
    forbidden = tmp_path / "bwrap"
    forbidden.write_text("#!/bin/sh\necho 'bwrap: No permissions' >&2\nexit 1\n")
    forbidden.chmod(0o755)

    done = fleetgym(
        "run", suite(), "--out", tmp_path / "out", "--sandbox", "none",
        environment={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )  # fmt: skip

    refused(done, MACHINE_LACKS, "unprivileged_userns_clone", "`--isolate none`")


def test_an_output_directory_that_cannot_be_written_is_told(
    suite: Callable[..., Path], fleetgym: Run, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")

    done = fleetgym("run", suite(), "--out", tmp_path / "file")

    refused(done, MACHINE_LACKS, "cannot be written")


def test_a_directory_without_runs_is_told_with_what_to_do(fleetgym: Run, tmp_path: Path) -> None:
    refused(fleetgym("compare", tmp_path), MACHINE_LACKS, "holds no run records", "fleetgym run")


def test_a_port_that_is_taken_is_told(
    fleetgym: Run, tmp_path: Path, provider: tuple[str, object]
) -> None:
    port = provider[0].rpartition(":")[2].partition("/")[0]

    done = fleetgym("serve", "tiny/number", "--port", port, "--sandbox", "none", "--out", tmp_path)

    refused(done, MACHINE_LACKS, f"Port {port} of 127.0.0.1 cannot be used")


def test_a_broken_plugin_is_listed_with_its_reason_and_stops_no_one(
    fleetgym: Run, tmp_path: Path
) -> None:
    info = tmp_path / "fleetgym_bad-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: fleetgym-bad\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[fleetgym]\nbad = no_such_module\n")
    import os

    paths = os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])
    done = fleetgym("list", "environments", environment={"PYTHONPATH": paths})

    assert done.returncode == 0
    assert "test/Tiny-v1" in done.stdout
    assert "broken: bad: " in done.stderr
    assert "no_such_module" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        (),
        *[(name,) for name in ("run", "plan", "serve", "compare", "report", "show", "list")],
        *[(name,) for name in ("check", "plugins", "doctor")],
        ("check", "env"),
        ("plugins", "add"),
    ],
)
def test_every_command_has_help(fleetgym: Run, command: tuple[str, ...]) -> None:
    done = fleetgym(*command, "--help")

    assert done.returncode == 0
    assert "Usage: fleetgym" in done.stdout
    if len(command) == 1 and command[0] not in {"check", "plugins"}:
        assert "Example" in done.stdout


def test_listing_imports_no_framework_and_no_environment(fleetgym: Run) -> None:
    import sys

    code = (
        "import sys; from fleetgym.registry import Registry; r = Registry.discover();"
        "heavy = {'gymnasium', 'numpy', 'duckdb', 'langchain', 'langgraph', 'crewai', 'chromadb',"
        "'fleetgym_env_cti_realm.env', 'fleetgym_env_incident_triage.env', 'fleetgym_cluster',"
        "'fleetgym_env_tiny.env'};"
        "print(sorted(heavy & set(sys.modules)), sorted(r.environments))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == (
        "[] ['fleetgym/CtiRealm-v1', 'fleetgym/DataExploration-v1', "
        "'fleetgym/DataQuality-v1', "
        "'fleetgym/IncidentTriage-v1', "
        "'fleetgym/K8sTroubleshooting-v1', 'fleetgym/RolloutPlanning-v1', "
        "'fleetgym/ServiceDesk-v1', "
        "'test/Tiny-v1']\n"
    )
