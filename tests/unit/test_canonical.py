"""The one text of a value: the same as the `rfc8785` package's, whatever the value."""

import json
from enum import StrEnum

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from reporter.core.canonical import canonical

LARGEST = 2**53 - 1
"""The doors let no number through that is larger: it could not be read back as it was."""
texts = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | st.floats(-LARGEST, LARGEST) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_it_is_the_text_of_the_rfc8785_package(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)  # type: ignore[arg-type]  # its type of JSON is narrower


@given(json_values)
def test_what_is_read_back_has_the_same_canonical_text_so_that_a_chain_can_be_checked(value: object) -> None:
    assert canonical(json.loads(canonical(value))) == canonical(value)


def test_keys_are_sorted_by_utf16_units_so_that_an_emoji_stands_before_a_private_use_letter() -> None:
    assert canonical({"\ue000": 1, "😀": 2}) == '{"😀":2,"\ue000":1}'.encode()


def test_a_word_of_the_glossary_is_written_as_its_value() -> None:
    class Word(StrEnum):
        LATE = "late"

    assert canonical({"verdict": Word.LATE}) == b'{"verdict":"late"}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {"\ud800": 1}, {1: 1}, object()])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each of its subclasses says its own thing
        canonical(value)
