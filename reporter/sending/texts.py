"""The texts of notices, each written once for all that differ in nothing but what stands in its gaps.

A burst of breaches is thousands of notices at one instant, of the same unit, duty and deadline. To render each of them
anew cost more than anything else about sending it; what differs (the incident, the notice's number, its links) is only
shown by the templates, so a text is rendered with gaps, kept, and the gaps are filled.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

from reporter.core.terms import NoticeReason

KEPT_MAX: Final = 512
_MARK: Final = f"\0{secrets.token_hex(8)}\0"
"""Round the name of a gap: what nobody can have put into a name or a note."""

Gapped = str
"""A text with a `%(name)s` for each gap, and each % of its own doubled."""


class Renders(Protocol):
    """What this module needs of `render.Renderer`."""

    def render(self, name: str, *, language: str | None = None, **context: object) -> str:
        """The text of a template."""
        ...


class Written(NamedTuple):
    """A notice's texts: subject (one line) and text in Chinese and in English, `short` (one line) in the service's
    language."""

    subject: str
    text: str
    short: str


class Texts:
    """Writes notices by the templates `notices/<reason>/{subject,body,short}.txt`."""

    def __init__(self, renderer: Renders) -> None:
        self._renderer = renderer
        self._kept: OrderedDict[tuple[object, ...], tuple[Gapped, ...]] = OrderedDict()

    def write(
        self,
        reason: NoticeReason,
        by: tuple[object, ...],
        said: Callable[[], Mapping[str, object]],
        gaps: Mapping[str, str | None],
    ) -> Written:
        """The texts where templates know what is `said` and the `gaps`.

        `by` (hashable) is all that what is said depends on: it is asked for once for each. Of a gap templates know
        whether there is something in it, and may show it whole.

        Errors: jinja2's, for a template that is missing or asks for what there is not.
        """
        key = (reason, by, *[name for name, value in gaps.items() if value is None])
        found = self._kept.get(key)
        if found is None:
            marked = {name: None if value is None else _MARK + name + _MARK for name, value in gaps.items()}
            found = self._kept[key] = self._rendered(reason, {**said(), **marked})
            if len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        subject, body_zh, body_en, short = [text % gaps for text in found]
        return Written(_one_line(subject), f"{body_zh.strip()}\n\n{body_en.strip()}\n", _one_line(short))

    def _rendered(self, reason: NoticeReason, context: Mapping[str, object]) -> tuple[Gapped, ...]:
        def part(name: str, language: str | None) -> Gapped:
            text = self._renderer.render(f"notices/{reason}/{name}.txt", language=language, **context)
            pieces = text.replace("%", "%%").split(_MARK)
            pieces[1::2] = [f"%({name})s" for name in pieces[1::2]]
            return "".join(pieces)

        subject = f"{part('subject', 'zh')} / {part('subject', 'en')}"
        return subject, part("body", "zh"), part("body", "en"), part("short", None)


def _one_line(text: str) -> str:
    return " ".join(text.split())
