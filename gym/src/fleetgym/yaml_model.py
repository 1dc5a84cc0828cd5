"""Pydantic models from YAML files, with errors that name file, line and field."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from fleetgym.contracts.errors import SpecError, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["StrictModel", "load_model"]


class StrictModel(BaseModel):
    """Part of a file; a field that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_Model = TypeVar("_Model", bound=StrictModel)


def load_model(path: Path, model: type[_Model]) -> _Model:
    """Return the ``model`` in a YAML file; errors call it by the model's name.

    Raises:
        SpecError: The file cannot be read or is malformed; a line for each problem.
    """
    what = _CAPITAL.sub(" ", model.__name__).lower()
    text = _read(path, what)
    try:
        tree, data = _parse(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "malformed"
        raise SpecError(f"{path}{line}: not YAML: {problem}.") from error
    if not isinstance(data, dict) or not isinstance(tree, yaml.MappingNode):
        fields = ", ".join(
            f"`{name}`" for name, it in model.model_fields.items() if it.is_required()
        )
        raise SpecError(f"{path}:1: a {what} is a mapping with {fields} …")
    repeated = _repeated_key(tree)
    if repeated is not None:
        line = repeated.start_mark.line + 1
        raise SpecError(f"{path}:{line}: {repeated.value}: given twice. Remove one of them.")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [
            f"{path}:{_line(tree, problem['loc'])}: {'.'.join(map(str, problem['loc']))}: "
            f"{_say(model, problem['loc'], problem['type'], problem['msg'])}"
            for problem in error.errors()
        ]
        raise SpecError("\n".join(lines)) from error


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise SpecError(f"{what.capitalize()} {str(path)!r} cannot be read: {reason}.") from error


# Ten times as fast as the one in Python, and not in every build of PyYAML.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _parse(text: str) -> tuple[yaml.Node | None, object]:
    """Return the nodes, which know their lines, and the data."""
    loader = _Loader(text)
    try:
        tree = loader.get_single_node()
        return tree, None if tree is None else loader.construct_document(tree)  # pyright: ignore[reportUnknownMemberType]
    finally:
        loader.dispose()


def _say(model: type[StrictModel], where: tuple[int | str, ...], kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        known = list(_model_at(model, where[:-1]).model_fields)
        close = did_you_mean(str(where[-1]), known)
        return f"unknown field. {close or 'Known: ' + ', '.join(known) + '.'}"
    if kind == "missing":
        return "this field is required."
    return f"{message[:1].lower()}{message[1:]}.".replace("value error, ", "")


def _model_at(model: type[BaseModel], where: tuple[int | str, ...]) -> type[BaseModel]:
    """Return the model of the part of the file that ``where`` leads to."""
    for part in where:
        if isinstance(part, str) and part in model.model_fields:
            inside = [model.model_fields[part].annotation]
            while inside:
                kind = inside.pop()
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    model = kind
                    break
                inside += get_args(kind)
    return model


def _line(node: yaml.Node, where: tuple[int | str, ...]) -> int:
    """Return the line, from 1, of the deepest part of ``where`` that stands in the file."""
    for part in where:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                break
            node = found[1] if isinstance(found[1], yaml.CollectionNode) else found[0]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
        else:
            break
    return node.start_mark.line + 1


def _repeated_key(tree: yaml.MappingNode) -> yaml.ScalarNode | None:
    seen: set[str] = set()
    for key, _ in tree.value:
        if key.value in seen:
            return key
        seen.add(key.value)
    return None
