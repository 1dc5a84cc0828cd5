"""Whether a scenario that changed has a new version, and writing a new one down.

A run's id names the version of its scenario, so the same version has to mean the same scenario. The
file's changelog holds two digests of each version: of what the scenario says, files that it names
included, and of what is generated for :data:`SEED`. The second notices a generator that draws
otherwise, and lets everybody rewrite one that does not.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import yaml

from fleetgym.scenarios.files import ScenarioFile, read_reference, read_scenario
from fleetgym.yaml_model import load_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fleetgym.scenarios.files import Change

__all__ = ["SEED", "version_problems", "write_version"]

SEED = 0
"""Of the instance that stands for all."""


def version_problems(path: Path, instance: str | None = None) -> list[str]:
    """Return what a scenario's file leaves unsaid about its version; nothing when all is well.

    Args:
        path: The scenario's file.
        instance: Digest of what is generated for :data:`SEED`; None leaves it out.

    Raises:
        SpecError: The file is malformed, or names a file that is not there.
    """
    held = load_model(path, ScenarioFile)
    digest = read_scenario(path, held).digest()
    problems: list[str] = []
    versions = [change.version for change in held.changelog]
    if versions != sorted(set(versions)) or versions[-1] > held.version:
        problems.append("changelog: its versions must rise, and end with the file's.")
    entry = _entry(held)
    if entry is None:
        problems.append(
            f"changelog: says nothing of version {held.version}. Add `- version: {held.version}` "
            f"with `change: …` at its end, then {_write(held)}."
        )
    elif entry.digest is None or (instance and entry.instance is None):
        problems.append(
            f"changelog: version {held.version} is not written down yet: {_write(held)}."
        )
    else:
        problems += _changes(path, held, entry, digest, instance)
    return problems


def _changes(
    path: Path, held: ScenarioFile, entry: Change, digest: str, instance: str | None
) -> list[str]:
    """Return what is not as the changelog's entry has it."""
    changed = [
        f"{name}: {held.references()[name].file!r} is not what it was in version {held.version}."
        for name in _stale(path, held)
    ]
    if changed and digest == entry.digest and instance in {None, entry.instance}:
        return [f"{changed[0]} Only its layout is another: {_write(held)}."]
    if digest != entry.digest and not changed:
        changed.append(f"the file itself does not say what it said in version {held.version}.")
    if instance is not None and instance != entry.instance:
        changed.append(
            f"seed {SEED} makes another instance than in version {held.version}: its generator, "
            "or what that builds on, draws otherwise."
        )
    if changed:
        changed.append(
            f"version: take the change back, or raise it to {held.version + 1}, say in the "
            f"changelog what changed, and {_write(held)}."
        )
    return changed


def write_version(path: Path, instance: str | None = None) -> bool:
    """Write digests into a scenario's file where they are due; return whether any were.

    Those of a version that has some already stay: a version means what it meant.

    Args:
        path: The scenario's file; comments and layout stay.
        instance: As :func:`version_problems` takes it.

    Raises:
        SpecError: As :func:`version_problems`.
    """
    held = load_model(path, ScenarioFile)
    entry = _entry(held)
    digest = read_scenario(path, held).digest()
    if entry is None or entry.digest not in {None, digest}:
        return False
    text = path.read_text(encoding="utf-8")
    tree = yaml.compose(text, Loader=yaml.SafeLoader)
    assert tree is not None, "it was loaded as a mapping above"
    edits = [
        (node.start_mark.index, node.end_mark.index, sha256)
        for name, sha256 in _stale(path, held).items()
        for node in (_at(tree, name, "sha256"),)
    ]
    due = {"digest": digest, "instance": instance}
    new = {name: said for name, said in due.items() if said and getattr(entry, name) is None}
    if new:
        version = _at(tree, "changelog", held.changelog.index(entry), "version")
        edits.append(_after(version, text, new))
    for start, end, said in sorted(edits, reverse=True):
        text = text[:start] + said + text[end:]
    path.write_text(text, encoding="utf-8")
    return bool(edits)


def _entry(held: ScenarioFile) -> Change | None:
    return next((change for change in held.changelog if change.version == held.version), None)


def _stale(path: Path, held: ScenarioFile) -> Mapping[str, str]:
    """Return, by field, the digest of each file that has another than the scenario says."""
    found = {
        name: hashlib.sha256(read_reference(path, given)).hexdigest()
        for name, given in held.references().items()
    }
    return {name: sha for name, sha in found.items() if sha != held.references()[name].sha256}


def _write(held: ScenarioFile) -> str:
    return f"run `fleetgym check scenario {held.id} --write`"


def _at(node: yaml.Node, *where: str | int) -> yaml.Node:
    for part in where:
        if isinstance(part, int):
            node = node.value[part]
        else:
            node = next(value for key, value in node.value if key.value == part)
    return node


def _after(node: yaml.Node, text: str, fields: Mapping[str, str]) -> tuple[int, int, str]:
    """Return the edit that puts fields after a mapping's value, in the mapping's own style."""
    end = node.end_mark.index
    line = text[text.rindex("\n", 0, node.start_mark.index) + 1 : node.start_mark.index]
    gap = ", "
    if "{" not in line:
        end = f"{text}\n".index("\n", end)  # behind a comment
        gap = "\n" + " " * (len(line) - len(line.lstrip(" -")))
    return end, end, "".join(f"{gap}{name}: {value}" for name, value in fields.items())
