"""Errors in OpenAI's form, which every client of a framework can read."""

from __future__ import annotations

from typing import Any

from aiohttp import web

__all__ = ["BudgetSpent", "Refusal", "error_body", "error_response"]


class Refusal(Exception):
    """The gateway does not pass a request on.

    Attributes:
        status: HTTP status of the answer.
        code: The machine-readable reason.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        super().__init__(message)


class BudgetSpent(Refusal):
    """The refusal that ends a run; those after it have the code ``run_over``.

    Attributes:
        budget: The field of ``Budget`` that is spent.
    """

    def __init__(self, budget: str, message: str) -> None:
        self.budget = budget
        super().__init__(410, "budget_exhausted", message)


def error_body(status: int, code: str, message: str) -> dict[str, Any]:
    """Return the body of an error answer."""
    kind = "api_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "code": code, "param": None}}


def error_response(status: int, code: str, message: str) -> web.Response:
    """Return an error answer."""
    return web.json_response(error_body(status, code, message), status=status)
