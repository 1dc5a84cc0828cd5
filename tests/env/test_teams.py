"""What the members of a team are told, and what they are not."""

from __future__ import annotations

from fleetgym.contracts.team import Role
from fleetgym.env.teams import assembled

ROLES = (
    Role(name="scout", summary="Looks around", tools=("look", "listen")),
    Role(name="smith", summary="Makes keys", tools=("forge",)),
    Role(name="clerk", summary="Hands in", tools=("submit",)),
)


def test_each_member_is_told_the_rules_who_it_is_and_what_the_others_can_do() -> None:
    team = assembled(ROLES, "Keep quiet.", ["look", "listen", "forge", "submit"])
    assert team is not None
    assert [one.name for one in team.members] == ["scout", "smith", "clerk"]
    assert [one.tools for one in team.members] == [("look", "listen"), ("forge",), ("submit",)]
    assert team.coordinator.tools == ()
    for one in (team.coordinator, *team.members):
        assert one.system.startswith("Keep quiet.\n\n")
        assert f"You are {one.name}, " in one.system
        assert "- scout: Looks around. Tools: look, listen.\n" in one.system
        assert "- clerk: Hands in. Tools: submit.\n" in one.system
    assert team.members[0].description == "Looks around. Tools: look, listen."


def test_who_has_no_tool_left_is_not_there_and_what_is_nobodys_is_everybodys() -> None:
    team = assembled(ROLES, "", ["listen", "alarm", "submit"])
    assert team is not None
    assert {one.name: one.tools for one in team.members} == {
        "scout": ("listen", "alarm"),
        "clerk": ("submit", "alarm"),
    }
    assert "smith" not in team.coordinator.system


def test_without_roles_there_is_no_team() -> None:
    assert assembled((), "", ["look"]) is None
    assert assembled(ROLES, "", []) is None
