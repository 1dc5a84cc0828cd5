from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from fleetgym.contracts.errors import SpecError
from fleetgym.sandboxes.imports import find_imports

FROM_WHEELS = """
import sys
from pathlib import Path
from fleetgym.contracts.sandbox import SandboxSpec
from fleetgym.contracts.tools import ToolCall
from fleetgym.sandboxes import provider

sandboxes = provider("local")
sandbox = sandboxes.open(SandboxSpec(toolsets=("probe_toolset",)), Path(sys.argv[1]))
for name in (
    "fleetgym_graders.strict",
    "fleetgym_env_cti_realm.env",
    "fleetgym_estate.estate",
    "fleetgym_platform.platform",
    "fleetgym_warehouse.commerce",
    "fleetgym.contracts",
):
    print(sandbox.call(ToolCall("import_module", {"text": name})).content)
sandboxes.close()
"""


def link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def install(site: Path, name: str, plugin: str = "") -> None:
    """Put a distribution where pip would, with a package and perhaps an entry point."""
    (site / name).mkdir(parents=True)
    (site / name / "__init__.py").touch()
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"{name}/__init__.py,,\n{name}_answers.py,,\n")
    if plugin:
        (info / "entry_points.txt").write_text(f"[fleetgym]\n{name} = {plugin}\n")


def test_a_toolset_of_a_package_that_knows_the_answers_is_refused() -> None:
    with pytest.raises(SpecError, match=r"'fleetgym_env_x\.tools' belongs to a package that knows"):
        find_imports(["fleetgym_env_x.tools"])


@pytest.mark.parametrize("name", ["no_such_toolset", "no.such.toolset"])
def test_a_toolset_that_is_not_installed_is_told(name: str) -> None:
    with pytest.raises(SpecError, match=rf"Toolset '{name}' cannot be found"):
        find_imports([name])


def test_a_toolset_in_a_namespace_is_shown_without_its_neighbors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tools", "env"):
        (tmp_path / "acme" / name).mkdir(parents=True)
        (tmp_path / "acme" / name / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])

    imports = find_imports(["acme.tools"])

    assert tmp_path / "acme" / "tools" in imports.packages
    assert tmp_path in imports.roots
    assert not {tmp_path / "acme", tmp_path / "acme" / "env"} & set(imports.packages)


@pytest.mark.slow
def test_what_knows_the_answers_is_hidden_when_all_is_installed_from_wheels(
    tmp_path: Path, toolsets: Path
) -> None:
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    editable = shutil.ignore_patterns("_editable_impl_*")
    shutil.copytree(
        sysconfig.get_path("purelib"), site, copy_function=link, ignore=editable, dirs_exist_ok=True
    )
    shutil.copytree(toolsets, site, dirs_exist_ok=True)
    copied = ("fleetgym", "fleetgym_graders", "fleetgym_env_cti_realm", "fleetgym_estate")
    for name in (*copied, "fleetgym_platform", "fleetgym_warehouse"):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        shutil.copytree(Path(spec.origin).parent, site / name)
    (tmp_path / "data").mkdir()

    done = subprocess.run(
        [tmp_path / "venv" / "bin" / "python", "-I", "-c", FROM_WHEELS, tmp_path / "data"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )

    assert done.stdout.splitlines() == [
        "No module named 'fleetgym_graders.strict'",
        "No module named 'fleetgym_env_cti_realm.env'",
        "No module named 'fleetgym_estate.estate'",
        "No module named 'fleetgym_platform.platform'",
        "No module named 'fleetgym_warehouse.commerce'",
        "fleetgym.contracts",
    ]


def test_installed_plugins_are_hidden_and_other_packages_are_not(tmp_path: Path) -> None:
    """In an environment of its own, where everything is installed and nothing is editable."""
    venv.create(tmp_path, with_pip=False, symlinks=True)
    (site,) = (tmp_path / "lib").glob("python*/site-packages")
    install(site, "acme_env", plugin="acme_env.plugin")
    install(site, "acme_tools")
    install(site, "fleetgym_graders")
    (site / "acme_env_answers.py").touch()
    source = Path(sys.modules["fleetgym"].__path__[0]).parent
    (site / "source.pth").write_text(str(source))
    code = (
        "from fleetgym.sandboxes.imports import find_imports\n"
        "imports = find_imports(['acme_tools'])\n"
        "print(*sorted(p.name for p in imports.hidden if not p.name.endswith('.dist-info')))\n"
        "print(*(p.name for p in imports.packages))"
    )

    done = subprocess.run(
        [tmp_path / "bin" / "python", "-I", "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )

    hidden, packages = done.stdout.splitlines()
    assert hidden == "acme_env acme_env_answers.py fleetgym_graders"
    assert packages == "site-packages fleetgym"
