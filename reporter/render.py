"""The one Jinja environment: pages, parts, notices and bulletins are all written by it.

Autoescape for `.html` (a notice in `.txt` is plain text), and a name the context lacks is an error, never an
empty place. Logic in templates stops at `if` and `for`: instants, spans and terms go through the filters.

Each language has templates of its own: `t("中文", "English")` is decided when they are compiled, so that a text of
many such pieces is a handful of strings. A burst of breaches is thousands of texts at one instant.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any  # options of Jinja's
from zoneinfo import ZoneInfo

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateAssertionError,
    nodes,
    pass_context,
    select_autoescape,
)
from jinja2.environment import TemplateModule
from jinja2.runtime import Context
from jinja2.visitor import NodeTransformer

from reporter.core import plain
from reporter.core.terms import label
from reporter.resources import templates_dir

LANGUAGES = ("zh", "en")
LANGUAGE_TAGS = {"zh": "zh-CN", "en": "en"}


class Renderer:
    """Renders templates for readers in one zone; each call may ask for another language.

    In every template: `language`, `lang` (the HTML tag), `zone`, the function `t("中文", "English")`, and the
    filters `local` (date, time and, where it matters, zone), `local_time`, `local_until`, `countdown`, `term`, and
    `anomaly_words`, `channel_words`, `note_words`, `step_words` for what rows hold as codes.
    """

    def __init__(self, zone: str, language: str = "zh", folder: Path | None = None) -> None:
        self._zone = ZoneInfo(zone)
        self._language = language
        self._environments = {each: _environment(folder or templates_dir(), each) for each in LANGUAGES}
        self._known = {
            each: {**environment.globals, "language": each, "lang": LANGUAGE_TAGS[each], "zone": self._zone}
            for each, environment in self._environments.items()
        }
        self._modules: dict[tuple[str, str], TemplateModule] = {}

    def render(self, name: str, *, language: str | None = None, **context: object) -> str:
        """The text of template `name`. Errors: jinja2's, for a missing template or a missing name."""
        language = language or self._language
        environment = self._environments[language]
        template = environment.get_template(name)
        try:
            # As `Template.render` does it, but without merging what all texts know into each of them anew.
            known = template.new_context(self._known[language] | context, shared=True)
            return "".join(template.root_render_func(known))
        except Exception:
            environment.handle_exception()  # raises it again, as of the template's line

    def prepare(self, folder: str) -> None:
        """Compiles every template below a folder now, so that the first text need not wait for it."""
        for environment in self._environments.values():
            for name in environment.list_templates(filter_func=lambda name: name.startswith(folder)):
                environment.get_template(name)

    def macro(self, name: str, macro: str, *args: object, language: str) -> str:
        """What one macro of template `name` makes of `args`: how a part of a page is sent alone."""
        key = (name, language)
        if key not in self._modules:
            template = self._environments[language].get_template(name)
            self._modules[key] = template.make_module(self._known[language])
        return str(getattr(self._modules[key], macro)(*args))


class _Chosen(NodeTransformer):
    """Puts the text of one language in the place of every `t("中文", "English")`."""

    def __init__(self, language: str) -> None:
        self._index = LANGUAGES.index(language)

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802 - Jinja asks for this name
        self.generic_visit(node)
        if not isinstance(node.node, nodes.Name) or node.node.name != "t":
            return node
        if len(node.args) != len(LANGUAGES) or node.kwargs or node.dyn_args or node.dyn_kwargs:
            msg = "t() takes the text in each language"
            raise TemplateAssertionError(msg, node.lineno)
        return node.args[self._index]


class _Environment(Environment):
    """Templates in one language."""

    def __init__(self, language: str, **options: Any) -> None:
        super().__init__(**options)
        self._chosen = _Chosen(language)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        found: nodes.Template = self._chosen.visit(super()._parse(source, name, filename))
        return found


@lru_cache(maxsize=8)
def _environment(folder: Path, language: str) -> Environment:
    environment = _Environment(
        language,
        loader=FileSystemLoader(folder),
        autoescape=select_autoescape(
            enabled_extensions=("html", "xml"), default=False, default_for_string=True
        ),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        cache_size=-1,  # all of them are kept: they are few
    )
    environment.filters.update(
        local_until=_local_until,
        local=_local,
        local_time=_local_time,
        countdown=countdown,
        term=_term,
        anomaly_words=_in_words(plain.anomaly_words),
        channel_words=_in_words(plain.channel_words),
        note_words=_in_words(plain.note_words),
        step_words=_in_words(plain.step_words),
        instant=_instant,
    )
    return environment


@pass_context
def _local(context: Context, at: datetime) -> str:
    """`2026-11-23 14:20:05`, in the reader's zone; cut to the second."""
    return at.astimezone(context["zone"]).strftime("%Y-%m-%d %H:%M:%S")


@pass_context
def _local_time(context: Context, at: datetime) -> str:
    """`11-23 14:20:05`, in the reader's zone: for a board, where the year is plain."""
    return at.astimezone(context["zone"]).strftime("%m-%d %H:%M:%S")


@pass_context
def _local_until(context: Context, at: datetime, since: datetime) -> str:
    """The end of a span that began at `since`: its time alone where that is on the same day."""
    text = _local_time(context, at)
    return text[6:] if text[:6] == _local_time(context, since)[:6] else text


@pass_context
def _term(context: Context, term: StrEnum) -> str:
    """The glossary's name of a term."""
    return label(term, context["language"])


def _in_words(words: Callable[[str], plain.Words]) -> Callable[[Context, str], str]:
    """A filter that says a code in the reader's language."""

    @pass_context
    def said(context: Context, code: str) -> str:
        return words(code)[1 if context["language"] == "en" else 0]

    return said


def _instant(at: datetime) -> str:
    """RFC 3339 in UTC, for `<time datetime>` and for scripts."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def countdown(span: timedelta) -> str:
    """What is left (`12:05`, `1:02:05`), or how long over (`+12:05`), whole seconds, never in one's favour.

    Both are cut: half a second before the due instant the board shows `0:00`, not `0:01`; the plus sign
    appears once a full second is over.
    """
    over = span < timedelta(0)
    seconds = abs(span) // timedelta(seconds=1)
    hours, rest = divmod(seconds, 3600)
    minutes, second = divmod(rest, 60)
    text = f"{hours}:{minutes:02d}:{second:02d}" if hours else f"{minutes}:{second:02d}"
    return f"+{text}" if over and seconds else text
