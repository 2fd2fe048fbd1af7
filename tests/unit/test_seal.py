"""The tree over heads: the same whatever way it is computed, and no two sets of heads share a root."""

from hashlib import sha256
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from reporter.core.seal import EMPTY, History, Tree, join_histories, leaf, node

IDS = st.uuids().map(str)
HEADS = st.dictionaries(IDS, st.integers(1, 9), max_size=40)


def by_the_book(heads: dict[str, bytes]) -> bytes:
    """The definition in `engine/README.md`, word for word."""
    if not heads:
        return sha256(b"").digest()
    if len(heads) == 1:
        return next(iter(heads.values()))
    bits = {id_: "".join(f"{byte:08b}" for byte in id_.encode()) for id_ in heads}
    first = next(i for i in range(288) if len({text[i] for text in bits.values()}) == 2)
    left, right = ({id_: heads[id_] for id_ in heads if bits[id_][first] == side} for side in "01")
    return sha256(b"\1" + by_the_book(left) + by_the_book(right)).digest()


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
    id_ = str(UUID(int=7))

    assert leaf(id_, 3, "ab" * 32) == sha256(b"\x00" + f"{id_}/3/{'ab' * 32}".encode()).digest()


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
