"""Who may ask the Kubernetes API for what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleetgym_cluster.objects import Manifest, Objects, dig, items

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["allowed", "permissions"]


def allowed(
    objects: Objects, account: tuple[str, str], verb: str, resource: str, where: str
) -> bool:
    """Return whether a service account may use a verb on a resource in a namespace.

    Args:
        objects: The cluster's.
        account: Namespace and name.
        verb: For example ``list``.
        resource: Plural, for example ``configmaps``.
        where: The namespace; empty for what has none.
    """
    return any(
        _covers(dig(rule, "verbs", default=[]), verb)
        and _covers(dig(rule, "resources", default=[]), resource)
        and not rule.get("resourceNames")
        for rule in _rules(objects, account, where)
    )


def permissions(objects: Objects, account: tuple[str, str], where: str) -> set[str]:
    """Return what an account may do in a namespace, as texts such as ``list configmaps``."""
    return {
        f"{verb} {resource}"
        for rule in _rules(objects, account, where)
        for verb in dig(rule, "verbs", default=[])
        for resource in dig(rule, "resources", default=[])
    }


def _rules(objects: Objects, account: tuple[str, str], where: str) -> Iterator[Manifest]:
    bindings = objects.of("ClusterRoleBinding")
    if where:
        bindings = [*objects.of("RoleBinding", where), *bindings]
    for binding in bindings:
        if any(_is(subject, account) for subject in items(binding, "subjects")):
            role = _role(objects, binding)
            yield from items(role, "rules") if role else ()


def _is(subject: Mapping[str, Any], account: tuple[str, str]) -> bool:
    if subject.get("kind") == "Group":
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{account[0]}")
        return subject.get("name") in (*groups, "system:authenticated")
    return (
        subject.get("kind") == "ServiceAccount"
        and (subject.get("namespace"), subject.get("name")) == account
    )


def _role(objects: Objects, binding: Manifest) -> Manifest | None:
    kind, name = (str(dig(binding, "roleRef", key, default="")) for key in ("kind", "name"))
    namespace = "" if kind == "ClusterRole" else dig(binding, "metadata", "namespace", default="")
    return objects.get(kind, namespace, name)


def _covers(named: list[Any], wanted: str) -> bool:
    return wanted in named or "*" in named
