"""The README tells the truth: its tables are generated, and its example computes what we compute."""

import uuid

from typer.testing import CliRunner

from reporter.cli import app
from reporter.core.command import incident_id
from tests.cli.readme import README, block, settings, verbs

TEXT = README.read_text(encoding="utf-8")
WRITE = "run `python -m tests.cli.readme`"


def test_the_verbs_are_those_of_the_command_line() -> None:
    assert block(TEXT, "verbs").strip() == verbs(), WRITE


def test_the_settings_are_those_of_the_product() -> None:
    assert block(TEXT, "settings").strip() == settings(), WRITE


def test_the_example_computes_the_incident_id_as_we_do() -> None:
    code = block(TEXT, "publish.py").strip().removeprefix("```python\n").removesuffix("```")
    formula = code.split("namespace = ")[1].splitlines()

    namespace = eval(formula[0], {"uuid": uuid})  # noqa: S307 - our own README
    computed = eval(  # noqa: S307
        formula[1].strip().removeprefix('print("incident", ').removesuffix(")"),
        {"uuid": uuid, "namespace": namespace, "source": "urn:a", "event": "1"},
    )

    compile(code, "README.md", "exec")
    assert str(computed) == incident_id("urn:a", "1")


def test_every_verb_takes_json() -> None:
    for line in verbs().splitlines()[2:]:
        words = line.split("`")[1].split()[1:]
        path = [word for word in words if word.islower()]

        shown = CliRunner().invoke(app, [*path, "--help"])

        assert shown.exit_code == 0, path
        assert "--json" in shown.stdout, path
