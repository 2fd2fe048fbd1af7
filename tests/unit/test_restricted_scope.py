"""A scope that knows which restricted incidents are in sight: what forgets it shows less, never more."""

import pytest

from reporter.store.restricted import Scope, Units, is_in_sight

ALL = Units(["yi", "town"], ["yi", "town"])
OWN = Units(["yi", "town"], ["yi"])


def test_two_scopes_are_one_only_if_they_show_the_same() -> None:
    assert len({ALL, OWN, Units(["town", "yi"], ["yi"]), Units(["yi", "town"])}) == 3
    assert Units(["yi"]) == frozenset(["yi"]) == Units(["yi"])
    assert frozenset(["yi"]) != Units(["yi"], ["yi"]) != frozenset(["yi"])
    assert hash(Units(["yi"])) == hash(frozenset(["yi"]))


@pytest.mark.parametrize(
    ("scope", "unit", "opened_from", "is_restricted", "is_seen"),
    [
        (None, "jia", "jia", True, True),
        (ALL, "town", "town", True, True),
        (ALL, "jia", "jia", False, False),
        (ALL, "jia", "yi", False, True),
        (ALL, "jia", "yi", True, False),
        (OWN, "town", "town", False, True),
        (OWN, "town", "town", True, False),
        (OWN, "yi", "yi", True, True),
        (ALL & OWN, "yi", "yi", True, False),
        (frozenset(["yi"]), "yi", "yi", False, True),
        (frozenset(["yi"]), "yi", "yi", True, False),
    ],
)
def test_what_is_in_sight(
    scope: Scope, unit: str, opened_from: str, is_restricted: bool, is_seen: bool
) -> None:
    assert is_in_sight(scope, unit, opened_from, is_restricted=is_restricted) == is_seen
