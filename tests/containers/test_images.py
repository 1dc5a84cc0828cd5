"""What is in the images, and what is not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from packaging.requirements import Requirement

from fleetgym.sandboxes.launch import ENVIRONMENT
from fleetgym.version import __version__
from fleetgym_images.context import ROOT, Recipe, recipes

pytestmark = pytest.mark.docker

Python = Callable[[str], Any]

EXECUTORS = sorted(recipes().keys() - {"toolserver"})

OURS = """
import json, pathlib, sysconfig
print(json.dumps(sorted(p.name for p in pathlib.Path(sysconfig.get_path("purelib")).iterdir()
                        if p.name.startswith("fleetgym"))))
"""

# What would betray answers, or us: by name, anywhere in the image.
BETRAYERS = """
import json, os
print(json.dumps([os.path.join(folder, name) for folder, folders, files in os.walk("/")
    if not folder.startswith(("/proc", "/sys")) for name in (*folders, *files)
    if name.startswith(("fleetgym_env_", "fleetgym_graders")) or
       name in {".git", ".fleetgym", ".env", "expert.py", "suites", "build"} and
       "site-packages" not in folder]))
"""

# A file without bytecode is one that is no Python, or no Python 3: nothing could import it.
UNCOMPILED = """
import importlib.util, json, pathlib, sysconfig, warnings
warnings.simplefilter("ignore")
def importable(path):
    try:
        compile(path.read_bytes(), str(path), "exec")
    except (SyntaxError, ValueError):
        return False
    return True
site = pathlib.Path(sysconfig.get_path("purelib"))
print(json.dumps([str(path) for path in site.rglob("*.py")
    if not pathlib.Path(importlib.util.cache_from_source(path)).exists() and importable(path)]))
"""

# Compiled anew at each start, where nothing can be written down.
STALE = """
import json, subprocess, sys
said = subprocess.run([sys.executable, "-v", "-c", "import asyncio, http.client"], check=True,
                      stderr=subprocess.PIPE, text=True).stderr
print(json.dumps([line for line in said.splitlines() if "stale" in line]))
"""

INSTALLED = """
import importlib.metadata, json, platform
print(json.dumps([platform.python_version(), {d.name.lower().replace("_", "-").replace(".", "-"):
    d.version for d in importlib.metadata.distributions()}]))
"""


def test_an_image_runs_as_nobody_and_may_write_nothing_of_its_own(python: Python) -> None:
    asked = """
import json, os
print(json.dumps([os.getuid(), os.getgid(), os.getgroups(), [folder for folder, _, _ in
    os.walk("/opt") if os.access(folder, os.W_OK)]]))
"""
    uid, gid, groups, writable = python(asked)
    assert (uid, gid, writable) == (65534, 65534, [])
    assert set(groups) <= {65534}


def test_an_image_holds_just_those_distributions_of_ours_that_it_serves(
    recipe: Recipe, python: Python
) -> None:
    served = ["cluster", "kb"] if recipe.name == "toolserver" else [f"plugin_{recipe.name}"]
    packages = ["fleetgym", *(f"fleetgym_{name}" for name in served)]
    assert python(OURS) == sorted([*packages, *(f"{p}-{__version__}.dist-info" for p in packages)])


def test_an_image_holds_nothing_that_knows_the_answers(python: Python) -> None:
    assert python(BETRAYERS) == []


def test_everything_in_an_image_is_compiled(python: Python) -> None:
    assert python(UNCOMPILED) == []
    assert python(STALE) == []


def test_an_image_says_what_it_was_made_of(recipe: Recipe, config: dict[str, Any]) -> None:
    labels = config["Labels"]
    revision = labels.pop("org.opencontainers.image.revision").removesuffix("-dirty")
    subprocess.run(["git", "cat-file", "-e", f"{revision}^{{commit}}"], cwd=ROOT, check=True)
    assert len(labels.pop("fleetgym.inputs")) == 64
    kind = {"fleetgym": "toolserver"}
    if recipe.name != "toolserver":
        kind = {"fleetgym": "executor", "fleetgym.plugin": recipe.name}
    assert labels == {
        **kind,
        "org.opencontainers.image.title": recipe.title,
        "org.opencontainers.image.version": __version__,
    }


def test_an_image_holds_what_is_locked_and_nothing_else(recipe: Recipe, python: Python) -> None:
    version, installed = python(INSTALLED)
    environment = {"python_version": version.rpartition(".")[0], "python_full_version": version}
    lines = (ROOT / recipe.requirements).read_text().splitlines()
    locked = [Requirement(line.rstrip("\\ ")) for line in lines if line[:1].isalnum()]
    expected = {
        one.name: str(one.specifier).removeprefix("==")
        for one in locked
        if one.marker is None or one.marker.evaluate(environment)
    }
    others = {name: v for name, v in installed.items() if not name.startswith("fleetgym")}
    assert others == expected


def test_the_tool_server_starts_without_network_or_a_disk_to_write_to(
    container_image: Callable[[str], str],
) -> None:
    flags = ("--rm", "--interactive", "--network=none", "--read-only")
    scratch = "--tmpfs=/sandbox/scratch:mode=1777"
    done = subprocess.run(
        ["docker", "run", *flags, scratch, container_image("toolserver")],
        input="",
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {"ready": True}


@pytest.mark.parametrize("recipe", ["toolserver"], indirect=True)
def test_the_tool_servers_environment_is_that_of_other_sandboxes(config: dict[str, Any]) -> None:
    variables = dict(line.split("=", 1) for line in config["Env"])
    assert {name: variables[name] for name in ENVIRONMENT if name != "PATH"} == {
        name: value for name, value in ENVIRONMENT.items() if name != "PATH"
    }


@pytest.mark.parametrize("recipe", ["autogen", "crewai", "langchain", "langgraph"], indirect=True)
def test_an_executor_imports_its_framework_without_network_or_a_disk_to_write_to(
    recipe: Recipe, image: str
) -> None:
    flags = ("--rm", "--network=none", "--read-only", "--tmpfs=/tmp")
    done = subprocess.run(
        ["docker", "run", *flags, image], capture_output=True, text=True, check=True
    )
    described = json.loads(done.stdout.splitlines()[-1])
    locked = (ROOT / recipe.requirements).read_text().splitlines()
    assert described["spec"]["name"] == recipe.name
    assert described["versions"]
    for name, version in described["versions"].items():
        assert any(line.startswith(f"{name}=={version} ") for line in locked)


def test_what_has_not_changed_is_not_built_again(docker_daemon: str) -> None:
    done = subprocess.run(
        [sys.executable, "containers/build", "toolserver"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"fleetgym-toolserver:{__version__}: up to date" in done.stderr
