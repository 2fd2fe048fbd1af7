"""What I-JSON is, and what only looks like it."""

import json
from time import thread_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.core import ijson
from reporter.core.canonical import canonical
from reporter.core.ijson import INTEGER_MAX, NotIJson, loads, odd_character

texts = st.text().filter(lambda text: odd_character(text) is None)
i_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-INTEGER_MAX, INTEGER_MAX)
    | st.floats(-INTEGER_MAX, INTEGER_MAX)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def refusal(body: bytes) -> tuple[str, str]:
    with pytest.raises(NotIJson) as refused:
        loads(body)
    return refused.value.path, refused.value.message


@given(value=i_json, ascii_only=st.booleans())
def test_any_value_survives_being_written_and_read(value: object, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()

    assert loads(body) == value
    assert canonical(loads(body))


@given(st.binary(max_size=200) | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_whatever_the_bytes_are_the_answer_is_a_value_or_not_i_json(body: bytes) -> None:
    try:
        value = loads(body)
    except NotIJson:
        return
    assert loads(canonical(value)) == value


@given(st.text(alphabet='{}[]",:\\u0d8fFeE1-.tn ', max_size=30).map(str.encode))
def test_the_quick_way_and_the_thorough_way_agree(body: bytes) -> None:
    try:
        quick: object = loads(body)
    except NotIJson as refused:
        quick = refused.message
    try:
        thorough: object = ijson._thorough(body.decode(), ijson.DEPTH_MAX) if body else quick
    except NotIJson as refused:
        thorough = refused.message

    assert quick == thorough


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        (b"", "", "empty"),
        (b"   ", "", "not JSON"),
        (b'{"a": 1,}', "", "not JSON"),
        (b'{"a": 1} {"a": 1}', "", "not JSON"),
        (b"{'a': 1}", "", "not JSON"),
        (b'"a\nb"', "", "not JSON"),
        (b"01", "", "not JSON"),
        (b"\xef\xbb\xbf{}", "", "byte order mark"),
        (b'{"a": "\xff"}', "", "UTF-8 at byte 8"),
        (b'{"a": "\xed\xa0\x80"}', "", "UTF-8 at byte 8"),  # a surrogate, encoded
        (b'{"a": "\xc0\x80"}', "", "UTF-8 at byte 8"),  # U+0000, overlong
        ('{"a": 1}'.encode("utf-16"), "", "UTF-8"),
        (b'{"a": {"b": [0, NaN]}}', "a.b.1", "NaN is not a number"),
        (b'{"a": Infinity}', "a", "Infinity is not a number"),
        (b'{"a": -Infinity}', "a", "-Infinity is not a number"),
        (b'{"lat": 1e400}', "lat", "beyond"),
        (b'{"lat": -1e400}', "lat", "beyond"),
        (b"1e300", "", "beyond"),
        (b'{"n": 123456789012345678901234567890}', "n", "integer beyond"),
        (b'{"n": 9007199254740992}', "n", "integer beyond"),
        (b'{"n": -9007199254740992}', "n", "integer beyond"),
        (b'{"x": {"a": 1, "b": 2, "a": 1}}', "x.a", "twice"),
        (b'{"a": 1, "\\u0061": 2}', "a", "twice"),
        (b'[{"a": "\\ud800"}]', "0.a", "U+D800"),
        (b'{"a": "\\ud83d\\u0041"}', "a", "U+D83D"),
        (b'{"a": "\\ude00\\ud83d"}', "a", "U+DE00"),
        (b'{"a": {"\\ud800": 1}}', "a", "U+D800"),
        (b'{"a": "x\\u0000y"}', "a", "U+0000"),
        (b'{"a": {"\\u0000": 1}}', "a", "U+0000"),
        (b'{"a": "x\0y"}', "", "not JSON"),
        (b'{"a": "\\uFFFE"}', "a", "U+FFFE"),
        (b'{"a": "\\ufdd0"}', "a", "U+FDD0"),
        (b'{"a": "\\ud83f\\udfff"}', "a", "U+1FFFF"),
        ('{"a": "\uffff"}'.encode(), "a", "U+FFFF"),
        ('{"a": "\U0010fffe"}'.encode(), "a", "U+10FFFE"),
    ],
)
def test_what_is_not_i_json_is_refused_with_the_place_and_the_reason(
    body: bytes, path: str, words: str
) -> None:
    where, message = refusal(body)

    assert where == path
    assert words in message


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": 1.0}', {"a": 1.0}),
        (b"9007199254740991", INTEGER_MAX),
        (b"-9007199254740991", -INTEGER_MAX),
        (b"1e-400", 0.0),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\\\u0000"', "\\u0000"),  # a backslash and five characters: no U+0000
        (b'"\\u4e8b\\u4ef6"', "事件"),
        ('"俾俿"'.encode(), "俾俿"),  # their last bytes are those of noncharacters
        (b'{"": {"": 1}}', {"": {"": 1}}),
        (b" \r\n\t[] \n", []),
    ],
)
def test_what_only_looks_odd_is_read(body: bytes, value: object) -> None:
    assert loads(body) == value


def test_32_levels_are_read_and_33_refused() -> None:
    assert loads(b"[" * 32 + b"]" * 32)
    assert loads(b'{"a":' * 31 + b"[1]" + b"}" * 31)

    assert "more than 32 deep" in refusal(b"[" * 33 + b"]" * 33)[1]
    path, message = refusal(b'{"a":' * 32 + b"[]" + b"}" * 32)
    assert path == ".".join("a" * 32)
    assert "more than 32 deep" in message


def test_many_brackets_that_are_not_deep_are_read() -> None:
    assert loads(b"[" + b"[],{}," * 500 + b'"[[[["]')


def test_the_bounds_can_be_asked_for() -> None:
    assert loads(b"[[1]]", depth=2, limit=5) == [[1]]
    with pytest.raises(NotIJson, match="more than 1 deep"):
        loads(b"[[1]]", depth=1)
    with pytest.raises(NotIJson, match="larger than 4 bytes"):
        loads(b"[[1]]", limit=4)


def test_256_KiB_are_read_and_one_byte_more_is_refused() -> None:  # noqa: N802
    body = b'"' + b"x" * 262_142 + b'"'

    assert loads(body) == "x" * 262_142
    assert "larger than 262144 bytes" in refusal(body + b" ")[1]


def test_a_long_name_is_cut_in_the_path() -> None:
    path, _ = refusal(b'{"' + b"a" * 100_000 + b'": NaN}')

    assert path == "a" * 64 + "…"


@pytest.mark.parametrize(
    "bomb",
    [
        b"[" * 262_144,
        b'{"a":' * 50_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"[[]," * 65_000,
        b'"' + b'\\"' * 131_000,
        b"9" * 262_144,
        b"-" * 262_144,
        b"[" + b"[]," * 87_000 + b"[]]",
        b'["' + b"\\ud800" * 43_000 + b'"]',
        b"\xff" * 900_000,
    ],
    ids=lambda bomb: bomb[:6].hex(),
)
def test_a_bomb_is_answered_at_once(bomb: bytes) -> None:
    began = thread_time()
    told = ""
    try:
        loads(bomb)
    except NotIJson as refused:
        told = refused.path + refused.message

    assert len(told) < 300
    assert (
        thread_time() - began < 5
    )  # of this thread alone, and milliseconds in truth; a quadratic reader would need minutes
