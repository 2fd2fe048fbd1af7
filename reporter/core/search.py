"""Searching: what is looked for, what a text is found by, and where in it the finding stands.

Text is found by its pairs of neighbouring characters, so that a word of two Chinese characters is found without a
dictionary, and a piece of a code or a number too. The pairs only narrow down: what counts is that the folded word
stands in the folded text, which both databases decide alike. A pair is written in ASCII, so that no database's own
idea of letters, accents or words comes in between.

Changing `fold` or `grams` makes the index that is stored wrong: run `reporter db reindex` then.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from unicodedata import combining, normalize

TEXT_CHARS_MAX: Final = 50_000
"""How much of one incident, with all its reports, can be found."""
WORDS_MAX: Final = 10
WORD_CHARS_MAX: Final = 60
AROUND_CHARS: Final = 30
"""What a snippet shows before and after its first finding."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a text; `is_found`: it is what was looked for."""

    text: str
    is_found: bool


def fold(text: str) -> str:
    """`text` as it is compared: width and case make no difference, and any space is one space."""
    return " ".join(normalize("NFKC", normalize("NFKC", text).casefold()).split())


def words(query: str) -> tuple[str, ...]:
    """The folded words of a query, each once: all of them have to be found. At most `WORDS_MAX`."""
    found = dict.fromkeys(word[:WORD_CHARS_MAX] for word in fold(query).split())
    return tuple(found)[:WORDS_MAX]


def folded_document(texts: Iterable[str]) -> str:
    """The texts of one incident, folded into one: at most `TEXT_CHARS_MAX` characters."""
    return "\n".join(filter(None, map(fold, texts)))[:TEXT_CHARS_MAX]


def grams(folded: str) -> list[str]:
    """What a folded text is indexed by: its pairs, and the last character of each word alone; sorted, each once."""
    found: set[str] = set()
    for word in folded.split():
        found.update(map(_pair, word, word[1:]))
        found.add(_pair(word[-1], ""))
    return sorted(found)


def sought(word: str) -> tuple[list[str], bool]:
    """The grams that a text with this word has; True: the one gram is only how theirs begin."""
    if len(word) == 1:
        return [_pair(word, "")], True
    return sorted(set(map(_pair, word, word[1:]))), False


def unit_gram(code: str) -> str:
    """What an incident of this unit is indexed by besides: no pair looks like it."""
    return f"q{code.encode().hex()}"


def marked(text: str, sought_words: Sequence[str]) -> tuple[Piece, ...]:
    """The text in pieces, so that what was found can be shown as such."""
    return tuple(_pieces(text, _found_spans(text, sought_words)))


def snippet(text: str, sought_words: Sequence[str]) -> tuple[Piece, ...]:
    """What stands around the first finding, with `…` where it was cut; empty if nothing is found."""
    spans = _found_spans(text, sought_words)
    if not spans:
        return ()
    start = max(spans[0][0] - AROUND_CHARS, 0)
    end = min(max(spans[0][1], start + 1) + AROUND_CHARS * 2, len(text))
    inside = [(first - start, min(last, end) - start) for first, last in spans if first < end]
    pieces = list(_pieces(text[start:end], inside))
    before = [Piece("…", is_found=False)] if start else []
    after = [Piece("…", is_found=False)] if end < len(text) else []
    return (*before, *pieces, *after)


def _pair(first: str, second: str) -> str:
    return f"{ord(first):x}z{ord(second):x}" if second else f"{ord(first):x}z"


def _found_spans(text: str, sought_words: Sequence[str]) -> list[tuple[int, int]]:
    """Where the words stand in the text as written: from and up to, in order, none touching another."""
    folded: list[str] = []
    places: list[int] = []
    ends: list[int] = []
    for start, end in _clusters(text):
        as_compared = normalize("NFKC", normalize("NFKC", text[start:end]).casefold())
        folded.append(as_compared)
        places += [start] * len(as_compared)
        ends += [end] * len(as_compared)
    compared = "".join(folded)
    spans = []
    for word in sought_words:
        at = compared.find(word)
        while at >= 0:
            spans.append((places[at], ends[at + len(word) - 1]))
            at = compared.find(word, at + len(word))
    joined: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def _clusters(text: str) -> Iterator[tuple[int, int]]:
    """Each character with the accents that follow it: what folding may make one of."""
    start = 0
    for index in range(1, len(text) + 1):
        if index == len(text) or not combining(text[index]):
            yield start, index
            start = index


def _pieces(text: str, spans: Iterable[tuple[int, int]]) -> Iterator[Piece]:
    done = 0
    for first, last in spans:
        if first > done:
            yield Piece(text[done:first], is_found=False)
        yield Piece(text[first:last], is_found=True)
        done = last
    if done < len(text):
        yield Piece(text[done:], is_found=False)
