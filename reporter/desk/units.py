"""Choosing a unit of one's own subtree on a page."""

from dataclasses import dataclass
from typing import Final

from reporter.desk.auth import Caller
from reporter.desk.problems import not_found

CHOICES_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class UnitChoice:
    """One unit in a list that follows the tree; `depth` counts from the reader's own unit."""

    code: str
    name: str
    depth: int
    is_chosen: bool


def chosen_unit(caller: Caller, asked: str | None) -> str:
    """The unit that was asked for, else the caller's own. Errors: 404 for one outside of the subtree."""
    if not asked:
        return caller.unit
    unit = caller.tree.resolve(asked)
    if unit is None or unit not in caller.tree.subtree(caller.unit):
        raise not_found()
    return unit


def in_tree_order(caller: Caller, top: str) -> list[tuple[str, int]]:
    """The active units at and below `top`, each after the one above it, and how far below `top` each is."""
    tree = caller.tree
    codes = [code for code in tree.subtree(top) if tree.resolve(code) == code and tree.node(code).is_active]
    depth_of = len(tree.path(top))
    return sorted(
        ((code, len(tree.path(code)) - depth_of) for code in codes), key=lambda each: tree.path(each[0])[::-1]
    )


def choices(caller: Caller, chosen: str) -> tuple[UnitChoice, ...]:
    """What to choose from: at most `CHOICES_MAX`, the chosen one always among them."""
    units = in_tree_order(caller, caller.unit)
    shown = [each for index, each in enumerate(units) if index < CHOICES_MAX or each[0] == chosen]
    return tuple(
        UnitChoice(code, caller.tree.node(code).name, depth, code == chosen) for code, depth in shown
    )
