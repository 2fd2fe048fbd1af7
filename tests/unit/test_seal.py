"""The tree over heads: the same whatever way it is computed, and no two sets of heads share a root."""

from hashlib import sha256
from pathlib import Path
from typing import Any  # what a README's code defines
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from reporter import engine
from reporter.core.seal import EMPTY, History, Tree, join_histories, leaf, node

IDS = st.uuids().map(str)
HEADS = st.dictionaries(IDS, st.integers(1, 9), max_size=40)


def readme_code() -> dict[str, Any]:
    """What the Python in `engine/README.md` defines."""
    text = (Path(engine.__file__).parent / "README.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    defined: dict[str, Any] = {}
    exec(code, defined)  # noqa: S102 - our own README
    return defined


README = readme_code()


def by_the_book(heads: dict[str, bytes]) -> bytes:
    """The root over leaves, by the definition in the README."""
    root: bytes = README["tree"](heads)
    return root


def leaves(heads: dict[str, int]) -> dict[str, bytes]:
    return {id_: leaf(id_, version, f"{version:064x}") for id_, version in sorted(heads.items())}


def root(heads: dict[str, bytes]) -> bytes:
    tree: Tree[bytes] = Tree(node)
    for id_ in sorted(heads):
        tree.add(id_, heads[id_])
    return tree.root() or EMPTY


@given(HEADS)
def test_one_pass_gives_the_root_of_the_definition(heads: dict[str, int]) -> None:
    assert root(leaves(heads)) == by_the_book(leaves(heads))


def test_a_leaf_is_the_text_that_the_readme_says() -> None:
    id_, head = str(UUID(int=7)), "ab" * 32

    assert leaf(id_, 3, head) == sha256(b"\x00" + f"{id_}/3/{head}".encode()).digest()
    assert leaf(id_, 3, head) == README["root"]({id_: (3, head)})


@given(HEADS.filter(bool), st.data())
def test_without_any_one_incident_the_root_is_another(heads: dict[str, int], data: st.DataObject) -> None:
    all_of_them = leaves(heads)
    gone = data.draw(st.sampled_from(sorted(heads)))

    assert root(all_of_them) != root({id_: each for id_, each in all_of_them.items() if id_ != gone})


@given(st.lists(HEADS, min_size=1, max_size=6))
def test_the_history_of_the_tree_holds_the_root_of_every_seal(changes: list[dict[str, int]]) -> None:
    state: dict[str, bytes] = {}
    histories: dict[str, History] = {}
    roots: list[bytes] = []
    for number, changed in enumerate(changes, start=1):
        for id_ in changed:
            state[id_] = leaf(id_, number, "00" * 32)
            histories.setdefault(id_, []).append((number, state[id_]))
        roots.append(by_the_book(state))

    tree: Tree[History] = Tree(join_histories)
    for id_ in sorted(histories):
        tree.add(id_, histories[id_])
    found = dict(tree.root() or ())

    now = EMPTY
    for number, expected in enumerate(roots, start=1):
        now = found.get(number, now)
        assert now == expected
