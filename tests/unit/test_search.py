"""What text is found by: folding, pairs, and where the findings stand."""

from hypothesis import given
from hypothesis import strategies as st

from reporter.core.search import (
    TEXT_CHARS_MAX,
    WORDS_MAX,
    fold,
    folded_document,
    grams,
    marked,
    snippet,
    sought,
    unit_gram,
    words,
)

TEXTS = st.text(
    st.one_of(
        st.sampled_from("乙县化工园区爆燃ABCabcＡ１1é ①\n-🔥"), st.characters(exclude_categories=["Cs"])
    ),
    max_size=40,
)


def test_width_case_and_spaces_make_no_difference() -> None:
    assert fold("Ｅ４ 路　Straße\n①") == "e4 路 strasse 1"


def test_a_query_is_its_words_each_once_and_bounded() -> None:
    assert words("  乙县　爆燃 乙县 ") == ("乙县", "爆燃")
    assert len(words(" ".join(map(str, range(100))))) == WORDS_MAX
    assert words("　 ") == ()


def test_a_pair_is_ascii_and_no_unit_looks_like_one() -> None:
    every = [*grams("乙县 a1🔥"), unit_gram("east-1")]

    assert all(each.isascii() and each.isalnum() for each in every)
    assert unit_gram("z") not in grams("qz zq 7a")


@given(TEXTS, st.integers(0, 40), st.integers(1, 6))
def test_every_piece_of_a_text_has_grams_that_the_text_has(text: str, start: int, length: int) -> None:
    folded = fold(text)

    for word in folded[start : start + length].split():
        pairs, begins = sought(word)
        if begins:
            assert any(gram.startswith(pairs[0]) for gram in grams(folded))
        else:
            assert set(pairs) <= set(grams(folded))


@given(TEXTS, TEXTS)
def test_marked_pieces_are_the_text_and_what_is_marked_was_sought(text: str, query: str) -> None:
    sought_words = words(query)
    pieces = marked(text, sought_words)

    assert "".join(piece.text for piece in pieces) == text
    for piece in pieces:
        if piece.is_found:
            assert any(word in fold(piece.text) or fold(piece.text) in word for word in sought_words)


def test_a_finding_is_marked_as_it_was_written() -> None:
    pieces = marked("ＥＸＰＬＯＳＩＯＮ at café", words("explosion CAFÉ"))

    assert [piece.text for piece in pieces if piece.is_found] == ["ＥＸＰＬＯＳＩＯＮ", "café"]


def test_findings_that_touch_are_one() -> None:
    assert [piece.text for piece in marked("化工园区", words("化工 工园")) if piece.is_found] == ["化工园"]


def test_a_snippet_shows_what_stands_around_and_that_it_was_cut() -> None:
    text = "甲" * 100 + "爆燃" + "乙" * 100

    pieces = snippet(text, ("爆燃",))

    assert pieces[0].text == pieces[-1].text == "…"
    assert [piece.text for piece in pieces if piece.is_found] == ["爆燃"]
    assert len("".join(piece.text for piece in pieces)) < 110
    assert snippet(text, ("山洪",)) == ()


def test_a_document_is_bounded_and_its_parts_do_not_run_together() -> None:
    document = folded_document(["化工", "", "园区", "长" * TEXT_CHARS_MAX])

    assert document.startswith("化工\n园区\n")
    assert len(document) == TEXT_CHARS_MAX
    assert "工园" not in document
