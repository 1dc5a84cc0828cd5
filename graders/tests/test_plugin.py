from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import fleetgym_graders
from fleetgym.contracts.specs import GraderSpec, load
from fleetgym_graders import plugin

MODULES = [module.name for module in pkgutil.iter_modules(fleetgym_graders.__path__)]


def test_every_grader_is_offered_and_can_be_made() -> None:
    specs: list[GraderSpec] = []
    plugin.register_graders(specs.append)
    names = {
        "cti/strict",
        "cti/compat",
        "exploration/strict",
        "k8s/strict",
        "quality/strict",
        "rollout/strict",
        "triage/strict",
    }
    assert {spec.name for spec in specs} == names
    assert all(load(spec.entry_point)().name == spec.name for spec in specs)


def test_registering_imports_no_grader() -> None:
    code = (
        "import sys, fleetgym_graders.plugin\n"
        "print([m for m in sys.modules if m.startswith('fleetgym_graders.') or m == 'pydantic'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['fleetgym_graders.plugin']"


@pytest.mark.parametrize("name", MODULES)
def test_exports_exist(name: str) -> None:
    module = importlib.import_module(f"fleetgym_graders.{name}")
    assert module.__all__
    assert all(hasattr(module, export) for export in module.__all__)
