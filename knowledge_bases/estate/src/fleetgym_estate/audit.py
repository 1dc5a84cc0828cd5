"""Writing down requests to the API server of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleetgym_estate.event import Event

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from fleetgym_estate.estate import Cluster

__all__ = ["execute", "request"]


def request(
    cluster: Cluster,
    at: datetime,
    username: str,
    verb: str,
    target: Mapping[str, str],
    *,
    ip: str | None = None,
    agent: str | None = None,
    code: int | None = None,
    body: Mapping[str, Any] | None = None,
    uri: str | None = None,
    asked_for: bool = False,
) -> Event:
    """Return one request; what is None is as usual for the user.

    Args:
        cluster: Decides on the table.
        at: When it was answered.
        username: A person's name, an application's object id or a service account.
        verb: Such as ``list``.
        target: Keys of ``ObjectRef``: resource, subresource, namespace, name.
        ip: Where it came from.
        agent: The client.
        code: Of the answer.
        body: Of the request.
        uri: When it says more than the target does.
        asked_for: Whether the detection has to return it.
    """
    values: dict[str, Any] = {
        "TimeGenerated": at,
        "_ResourceId": cluster.resource_id,
        "Verb": verb,
        "User": {"username": username},
        "ObjectRef": dict(target),
        "SourceIps": [ip] if ip else None,
        "UserAgent": agent,
        "ResponseStatus": {"code": code} if code else None,
        "RequestObject": body,
        "RequestUri": uri,
    }
    known = {name: value for name, value in values.items() if value is not None}
    return Event(table=cluster.audit_table, values=known, asked_for=asked_for)


def execute(
    cluster: Cluster,
    at: datetime,
    username: str,
    pod: tuple[str, str],
    command: Sequence[str],
    *,
    ip: str | None = None,
    agent: str | None = None,
    code: int = 101,
    asked_for: bool = False,
) -> Event:
    """Return the request by which a command is run in a pod, given by namespace and name."""
    namespace, name = pod
    container = name.rpartition("-")[0].rpartition("-")[0]
    words = "&".join(f"command={_quoted(word)}" for word in command)
    query = f"{words}&container={container}&stdin=true&stdout=true&tty=true"
    return request(
        cluster,
        at,
        username,
        "create",
        {"resource": "pods", "subresource": "exec", "namespace": namespace, "name": name},
        ip=ip,
        agent=agent,
        code=code,
        uri=f"/api/v1/namespaces/{namespace}/pods/{name}/exec?{query}",
        asked_for=asked_for,
    )


def _quoted(word: str) -> str:
    """Return a word as kubectl puts it into a query."""
    return word.replace(" ", "+").replace("/", "%2F")
