"""The README's generated parts. `python -m tests.cli.readme` writes them anew."""

import re
from pathlib import Path

from typer.main import get_command

from reporter.cli import app
from reporter.settings import described

README = Path(__file__).resolve().parents[2] / "README.md"


def verbs() -> str:
    """One line per verb, with its arguments and the first line of its help."""
    lines = ["| verb | what it does |", "| --- | --- |"]
    lines += [f"| `{' '.join(path)}` | {words} |" for path, words in _walk(get_command(app), ("reporter",))]
    return "\n".join(lines)


def _walk(command: object, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], str]]:
    found: list[tuple[tuple[str, ...], str]] = []
    for name, each in getattr(command, "commands", {}).items():
        if hasattr(each, "commands"):
            found += _walk(each, (*path, name))
        else:
            arguments = [p.metavar or p.name.upper() for p in each.params if p.param_type_name == "argument"]
            found.append(((*path, name, *arguments), str(each.help).splitlines()[0]))
    return found


def settings() -> str:
    """The table of settings."""
    lines = ["| flag | variable | default | what it is |", "| --- | --- | --- | --- |"]
    lines += [
        f"| `{each.flag}` | `{each.variable}` | {f'`{each.default}`' if each.default else ''} | {each.doc} |"
        for each in described()
    ]
    return "\n".join(lines)


def block(text: str, name: str) -> str:
    """The part of the README between the marks of that name. AssertionError if there is none."""
    found = re.search(
        rf"<!-- begin: {re.escape(name)} -->\n(.*?)<!-- end: {re.escape(name)} -->", text, re.DOTALL
    )
    assert found, f"README.md has no block {name}"
    return found[1]


def with_block(text: str, name: str, content: str) -> str:
    """The README with that part replaced."""
    return text.replace(
        f"<!-- begin: {name} -->\n{block(text, name)}", f"<!-- begin: {name} -->\n{content}\n"
    )


if __name__ == "__main__":
    document = README.read_text(encoding="utf-8")
    for part in (verbs, settings):
        document = with_block(document, part.__name__, part())
    README.write_text(document, encoding="utf-8")
