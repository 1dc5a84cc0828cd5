"""Reading artifacts that have to fit a JSON Schema."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from fleetgym.contracts.errors import ToolError
from fleetgym_graders.answers import read_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema import ValidationError

__all__ = ["Form"]


class Form:
    """A form that answers have to have."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema

    def read(self, answer: str) -> dict[str, Any]:
        """Return the JSON object in an answer.

        Raises:
            ToolError: It does not fit the schema; the text says where and why.
        """
        artifact = read_object(answer, self.schema["required"])
        error = next(self._errors(artifact), None)
        if error is not None:
            best = min(error.context or [error], key=lambda one: -len(one.absolute_path))
            place = "".join(f"[{part!r}]" for part in error.absolute_path) or "its top"
            raise ToolError(
                f"The answer does not have the required form: at {place}, {best.message[:400]}."
            )
        return artifact

    def _errors(self, artifact: Mapping[str, Any]) -> Iterator[ValidationError]:
        return self._validator.iter_errors(artifact)  # pyright: ignore[reportUnknownMemberType]  # a parameter that it does not take

    @cached_property
    def _validator(self) -> Draft202012Validator:
        return Draft202012Validator(self.schema)
