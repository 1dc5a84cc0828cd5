from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from fleetgym_images import context

NAMES = sorted(context.recipes())


@pytest.fixture(params=NAMES, scope="session")
def recipe(request: pytest.FixtureRequest) -> context.Recipe:
    return context.recipes()[request.param]


@pytest.fixture(scope="session")
def image(recipe: context.Recipe, container_image: Callable[[str], str]) -> str:
    return container_image(recipe.name)


@pytest.fixture(scope="session")
def config(image: str) -> dict[str, Any]:
    """What the image says of itself."""
    done = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{json .Config}}", image],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


Python = Callable[[str], Any]


@pytest.fixture(scope="session")
def python(image: str) -> Python:
    """Run code in the image; what it prints is JSON."""

    def run(code: str) -> Any:
        flags = ("--rm", "--network=none", "--read-only", "--entrypoint=/opt/fleetgym/bin/python")
        done = subprocess.run(
            ["docker", "run", *flags, image, "-c", code], capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    return run
