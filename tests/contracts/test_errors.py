from __future__ import annotations

import pickle

from fleetgym.contracts.errors import UnknownName


def test_an_unknown_name_is_the_same_in_another_process() -> None:
    error = UnknownName("tool", "get_rosta", ["get_rota", "submit"])
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == "There is no tool 'get_rosta'. Did you mean 'get_rota'?"
    assert (again.kind, again.name) == ("tool", "get_rosta")
