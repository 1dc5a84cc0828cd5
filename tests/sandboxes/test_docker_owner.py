from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from fleetgym.sandboxes.docker_owner import is_left_over, owner_labels, owner_pid

OURS = owner_labels("sandbox")
PID, STARTED, BOOT, NAMESPACE = (
    f"fleetgym.owner.{name}" for name in ("pid", "started", "boot", "pid-namespace")
)


def test_what_this_process_makes_is_not_left_over() -> None:
    assert owner_pid(OURS) == os.getpid()
    assert OURS["fleetgym.purpose"] == "sandbox"
    assert not is_left_over(OURS)


def test_what_a_process_made_is_left_over_once_it_is_gone_even_if_nobody_has_waited_for_it() -> (
    None
):
    code = (
        "import json; from fleetgym.sandboxes.docker_owner import owner_labels;"
        "print(json.dumps(owner_labels('x')), flush=True); input()"
    )
    made = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with made:
        assert made.stdout is not None
        labels = json.loads(made.stdout.readline())
        assert not is_left_over(labels)
        made.kill()
        os.waitid(os.P_PID, made.pid, os.WEXITED | os.WNOWAIT)
        assert is_left_over(labels)


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        pytest.param({STARTED: "1"}, True, id="another process of the same number"),
        pytest.param({PID: "4194305"}, True, id="no such process"),
        pytest.param({BOOT: "before"}, True, id="an earlier boot"),
        pytest.param({NAMESPACE: "1", PID: "4194305"}, False, id="where we cannot look"),
        pytest.param({PID: "x"}, False, id="nonsense"),
    ],
)
def test_a_container_is_left_over_only_if_its_maker_is_gone_for_sure(
    changes: dict[str, str], left: bool
) -> None:
    assert is_left_over({**OURS, **changes}) is left


@pytest.mark.parametrize("missing", ["fleetgym", PID, STARTED, BOOT, NAMESPACE])
def test_a_container_without_all_labels_is_never_left_over(missing: str) -> None:
    gone = {**OURS, PID: "4194305"}
    assert is_left_over(gone)
    assert not is_left_over({name: value for name, value in gone.items() if name != missing})
