"""The texts of notices, each written once for all that differ in nothing but what stands in its gaps.

A burst of breaches is thousands of notices at one instant, of the same unit, duty and deadline. To render each of them
anew cost more than anything else about sending it; what differs (the incident, the notice's number, its links) is only
shown by the templates, so a text is rendered with gaps, kept, and the gaps are filled.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from reporter.core.terms import NoticeReason

KEPT_MAX: Final = 512
_MARK: Final = f"\0{secrets.token_hex(8)}\0"
"""Round the name of a gap: what nobody can have put into a name or a note."""

Gapped = tuple[str, ...]
"""A text in pieces: words, the name of a gap, words, …"""


class Renders(Protocol):
    """What this module needs of `render.Renderer`."""

    def render(self, name: str, *, language: str | None = None, **context: object) -> str:
        """The text of a template."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """A notice's texts as its templates have them: in Chinese, in English, and short in the service's language."""

    subjects: tuple[str, str]
    bodies: tuple[str, str]
    short: str


class Texts:
    """Writes notices by the templates `notices/<reason>/{subject,body,short}.txt`."""

    def __init__(self, renderer: Renders) -> None:
        self._renderer = renderer
        self._kept: OrderedDict[tuple[object, ...], list[Gapped]] = OrderedDict()

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
        subject_zh, subject_en, body_zh, body_en, short = [_filled(each, gaps) for each in found]
        return Written((subject_zh, subject_en), (body_zh, body_en), short)

    def _rendered(self, reason: NoticeReason, context: Mapping[str, object]) -> list[Gapped]:
        parts = (("subject", "zh"), ("subject", "en"), ("body", "zh"), ("body", "en"), ("short", None))
        return [
            tuple(
                self._renderer.render(f"notices/{reason}/{part}.txt", language=language, **context).split(
                    _MARK
                )
            )
            for part, language in parts
        ]


def _filled(text: Gapped, gaps: Mapping[str, str | None]) -> str:
    return "".join([gaps[piece] or "" if place % 2 else piece for place, piece in enumerate(text)])
