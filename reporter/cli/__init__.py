"""The verbs of `reporter`. Each lives in the module of its kind; this one only puts them together."""

import sys
from io import TextIOWrapper
from typing import Any, Final, cast  # Any: an exception of typer's

import typer

from reporter.cli import (
    accounts,
    board,
    broker,
    channels,
    commands,
    doctor,
    keeping,
    ledger,
    reading,
    rehearsals,
    rosterchanges,
    rosters,
    schedules,
    service,
    world,
)
from reporter.cli.trouble import WRONG_USAGE
from reporter.cli.verb import print_json

JSON: Final = "--json"
_USAGE_ERROR: Final = cast("type[Exception]", typer.BadParameter.__mro__[1])

app = typer.Typer(
    name="reporter",
    help="突发事件直报时限跟踪。Tracks the statutory reporting deadlines of emergencies.",
    epilog=(
        "退出状态 exit status：0 正常 good · 1 发现问题 found something wrong · 2 用法有误 wrong usage。"
        "先试 start with：reporter demo"
    ),
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

for module in (
    service,
    commands,
    reading,
    board,
    world,
    rosters,
    rosterchanges,
    accounts,
    ledger,
    schedules,
    keeping,
    doctor,
    channels,
    rehearsals,
    broker,
):
    module.register(app)


def main() -> None:
    """Runs the command line: exit status 0 good, 1 found something wrong, 2 wrong usage."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # JSON and Chinese must come out whatever the locale says; a terminal keeps its own encoding.
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")
    if JSON not in sys.argv[1:]:
        app(prog_name="reporter")
    sys.exit(_told_as_json())


def _told_as_json() -> int:
    """Runs the command line; where it is itself wrong, the document that says so is on stdout as any other."""
    try:
        status = app(prog_name="reporter", standalone_mode=False)
    except _USAGE_ERROR as error:
        wrong: Any = error  # what typer calls it has no public name
        wrong.show()
        names = getattr(getattr(wrong, "param", None), "opts", None) or [getattr(wrong, "option_name", "")]
        said = str(wrong.format_message())
        document = {"title": "reporter", "status": None, "detail": said}
        print_json(document | {"errors": [{"path": names[0] or "", "message": said}]})
        return WRONG_USAGE
    except typer.Abort:
        return 1
    return int(status or 0)
