"""How a verb is declared: a decorator gives it its settings as flags, `--json`, and its errors in words.

A verb is an async function whose first parameter is the `Call`; the others are its own arguments. Heavy
modules are imported inside the verbs, because `reporter --help` has to be quick.
"""

import inspect
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any  # Any: JSON documents, and functions of any signature

import typer

from reporter.cli.trouble import WRONG_USAGE, Trouble
from reporter.settings import Settings, SettingsError, flag, load, variable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

Document = dict[str, Any]
Verb = Callable[..., Coroutine[Any, Any, int | None]]
SERVICE = tuple(each.name for each in fields(Settings) if each.name not in ("url", "token"))
"""The settings of a service: all but the clients' two."""
STORE = ("data_dir", "database")
"""The settings of the verbs that work on the database directly."""
CLIENT = ("url", "token")
"""The settings of the verbs that speak to a running service."""
PIPE_WIDTH = 120


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a verb: its settings, and the way to answer."""

    settings: Settings
    as_json: bool

    def say(self, zh: str, en: str) -> str:
        """The text in the language of the settings."""
        return zh if self.settings.language == "zh" else en

    def answer(self, document: object, human: "Callable[[], RenderableType | None]") -> None:
        """The result on stdout: the one document with `--json`, else what `human` makes of it."""
        if self.as_json:
            print_json(document)
            return
        shown = human()
        if isinstance(shown, str):
            sys.stdout.write(shown + "\n")
        elif shown is not None:
            console().print(shown)

    def tell(self, zh: str, en: str) -> None:
        """Progress and remarks, on stderr."""
        sys.stderr.write(self.say(zh, en) + "\n")
        sys.stderr.flush()


def console() -> "Console":
    """Stdout for tables: as wide as the terminal, or 120 columns in a pipe."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def print_json(document: object) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()


def verb(app: typer.Typer, name: str, *settings: str) -> Callable[[Verb], Verb]:
    """Registers the decorated function as the verb `name` of `app`.

    `settings` are the fields of `Settings` that it reads: each becomes a flag with the setting's own
    description. The function's return value is the exit status; None is 0.
    """

    def register(function: Verb) -> Verb:
        def run(**given: Any) -> None:
            as_json = given.pop("as_json")
            flags = {each: given.pop(each) for each in settings}
            raise typer.Exit(_run(function, flags, given, as_json))

        own = list(inspect.signature(function).parameters.values())[1:]
        parameters = [_keyword(each.name, each.annotation, each.default) for each in own]
        parameters += [_keyword(each, Annotated[str | None, _option(each)], None) for each in settings]
        parameters.append(_keyword("as_json", Annotated[bool, _JSON], default=False))
        run.__doc__ = function.__doc__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # how `inspect` is told
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command(name)(run)
        return function

    return register


_JSON = typer.Option("--json", help="机器可读：stdout 上一份 JSON 文档。One JSON document on stdout.")


def _keyword(name: str, annotation: object, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _option(name: str) -> Any:  # Any: typer's own type for it is not public
    metadata = next(each.metadata for each in fields(Settings) if each.name == name)
    return typer.Option(flag(name), help=f"{metadata['doc']} [{variable(name)}]", show_default=False)


def _run(function: Verb, flags: dict[str, Any], given: dict[str, Any], as_json: bool) -> int:
    import asyncio

    try:
        return asyncio.run(function(Call(load(flags), as_json), **given)) or 0
    except SettingsError as wrong:
        lines = "\n  ".join(wrong.problems)
        report(
            Trouble(f"设置有误：\n  {lines}", f"these settings are wrong:\n  {lines}", status=WRONG_USAGE),
            as_json,
        )
        return WRONG_USAGE
    except Trouble as trouble:
        report(trouble, as_json)
        return trouble.status
    except KeyboardInterrupt:
        return 130


def report(trouble: Trouble, as_json: bool) -> None:
    """The trouble on stderr in both languages, and as a document on stdout where JSON was asked for."""
    sys.stderr.write(f"错误：{trouble.zh}\nerror: {trouble.en}\n")
    if as_json:
        print_json(trouble.document)
