"""Texts with gaps: what is filled in gives the very text that rendering it whole gives, and few are kept."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reporter.core.terms import Mode, NoticeReason
from reporter.render import Renderer
from reporter.sending import texts
from reporter.sending.texts import Texts

RENDERER = Renderer("Asia/Shanghai")
TEXTS = Texts(RENDERER)
words = st.one_of(st.none(), st.text(min_size=1, max_size=20))


@example(
    NoticeReason.BREACH,
    {"person": "50% %(id)s", "phone": "%", "stands_for": None, "in_place_of": None, "detail": "%s"},
    {"id": "%d", "link": None, "ack_url": None, "code": "%(title)s"},
    "%(id)s 100%",
)
@given(
    st.sampled_from(NoticeReason),
    st.fixed_dictionaries(dict.fromkeys(("person", "phone", "stands_for", "in_place_of", "detail"), words)),
    st.fixed_dictionaries(dict.fromkeys(("id", "link", "ack_url", "code"), words)),
    st.text(min_size=1, max_size=20),
)
def test_a_text_filled_is_the_text_rendered(
    reason: NoticeReason, told: dict[str, str | None], gaps: dict[str, str | None], title: str
) -> None:
    said: dict[str, object] = {
        "reason": reason, "mode": Mode.ACTUAL, "is_actual": True, "is_superior": False, "unit": "东街道",
        "obligation_zh": "初报", "obligation_en": "Initial report", "due_at": datetime(2026, 11, 23, tzinfo=UTC),
        "over": "0:00", "left": None, "repeat": 2, "stands_for_phone": None, "to_words_zh": "值班员",
        "to_words_en": "duty officer", **told,
    }  # fmt: skip
    gaps = {**gaps, "title": title, "title_cut": title, "title_short": title}

    first, again = (TEXTS.write(reason, tuple(said.items()), lambda: said, gaps) for _ in range(2))

    assert first == again

    def part(name: str, language: str | None) -> str:
        return RENDERER.render(f"notices/{reason}/{name}.txt", language=language, **said, **gaps)

    subjects = [" ".join(part("subject", language).split()) for language in ("zh", "en")]
    assert first.subject == " / ".join(subjects)
    assert first.text == "\n\n".join(part("body", language).strip() for language in ("zh", "en")) + "\n"
    assert first.short == " ".join(part("short", None).split())


class Counting:
    """Notes how often it was asked; shows both of what it is told."""

    def __init__(self) -> None:
        self.count = 0

    def render(self, name: str, *, language: str | None = None, **context: object) -> str:  # noqa: ARG002
        self.count += 1
        return f"{context['unit']} {context['id']}"


def test_what_differs_in_its_gaps_alone_is_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "KEPT_MAX", 2)
    renderer = Counting()
    written = Texts(renderer)
    parts = 5

    def short(unit: str, id_: str | None) -> str:
        return written.write(NoticeReason.BREACH, (unit,), lambda: {"unit": unit}, {"id": id_}).short

    assert [short("east", f"n{number}") for number in range(3)] == ["east n0", "east n1", "east n2"]
    assert renderer.count == parts

    assert short("east", None) == "east None"
    assert renderer.count == 2 * parts, "an empty gap is another text"

    short("west", "n")  # the third: the first is let go
    short("east", "n")
    assert renderer.count == 4 * parts
