"""A ledger line: canonical text, the hash of that text, and the hash before it."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any  # a document of JSON

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from reporter.core.ledger import GENESIS, Line, with_hash, write_line
from reporter.core.terms import FactKind
from tests.unit.factories import at
from tests.unit.test_canonical import json_values, texts

bodies = st.dictionaries(texts, json_values, max_size=4)


def chain(bodies_of_lines: list[Mapping[str, object]]) -> list[Line]:
    lines: list[Line] = []
    for version, body in enumerate(bodies_of_lines, start=1):
        prev = lines[-1].hash if lines else GENESIS
        lines.append(write_line("i", version, FactKind.AMENDED, at(0), at(1), "nats:东", body, prev))
    return lines


@given(st.lists(bodies, min_size=1, max_size=5))
def test_anyone_can_check_a_chain_with_rfc8785_and_sha256_alone(told: list[Mapping[str, object]]) -> None:
    before = "0" * 64
    for line in chain(told):
        published = json.loads(with_hash(line.text, line.hash))
        digest = published.pop("hash")

        assert digest == sha256(line.text.encode()).hexdigest()
        assert published["prev"] == before
        before = digest


@given(bodies)
def test_the_text_is_the_canonical_json_of_exactly_the_fields_of_a_line(body: Mapping[str, object]) -> None:
    line = chain([body])[0]

    told: dict[str, Any] = {
        "incident": "i", "version": 1, "kind": "amended", "at": "2026-11-23T06:00:00.000000Z",
        "recorded_at": "2026-11-23T06:01:00.000000Z", "actor": "nats:东", "body": body, "prev": "0" * 64,
    }  # fmt: skip
    assert line.text.encode() == rfc8785.dumps(told)


@given(st.lists(bodies, min_size=2, max_size=5), st.data())
def test_a_changed_line_gives_another_hash(told: list[Mapping[str, object]], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(told) - 1))
    changed = [*told]
    changed[index] = {**told[index], "!": "changed"}

    assert [line.hash for line in chain(told)][index:] != [line.hash for line in chain(changed)][index:]
    assert chain(told)[-1].hash != chain(changed)[-1].hash
