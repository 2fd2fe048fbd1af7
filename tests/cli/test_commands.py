"""The client verbs send what the contract says, once, and say in words what went wrong."""

import json
from collections.abc import Callable

import pytest
from typer.testing import Result

from reporter.cli.commands import element, instants
from reporter.cli.trouble import WrongUsage
from tests.cli.conftest import ID, Scripted, a_notice, an_incident

Run = Callable[..., Result]
POSTED = f"POST /api/v1/incidents/{ID}"


def test_log_sends_every_field_and_prints_the_answer(run: Run, scripted: Scripted) -> None:
    scripted.answers["POST /api/v1/incidents"] = (201, an_incident())

    done = run(
        "log",
        "爆燃",
        "--unit",
        "yi-xian",
        "--occurred",
        "2026-11-23T14:00:00+08:00",
        "--grade",
        "II",
        "--category",
        "accident",
        "--sensitive",
        "--mode",
        "exercise",
        "--place",
        "3号库",
        "--lat",
        "34.8",
        "--dead",
        "3",
        "--summary",
        "…",
        "--key",
        "k1",
        "--json",
    )

    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == an_incident()
    sent = scripted.heard[0]
    assert sent["body"] == {
        "title": "爆燃",
        "unit": "yi-xian",
        "occurred": "2026-11-23T14:00:00+08:00",
        "grade": "II",
        "category": "accident",
        "sensitive": True,
        "mode": "exercise",
        "place": {"text": "3号库", "lat": 34.8},
        "casualties": {"dead": 3},
        "summary": "…",
    }
    assert sent["headers"]["Idempotency-Key"] == "k1"
    assert sent["headers"]["Authorization"] == "Bearer rpt_secret"


def test_what_was_not_given_is_not_sent(run: Run, scripted: Scripted) -> None:
    scripted.answers["POST /api/v1/incidents"] = (201, an_incident())

    run("log", "爆燃", "--unit", "yi-xian")

    assert scripted.heard[0]["body"] == {"title": "爆燃", "unit": "yi-xian"}


def test_a_lost_answer_is_asked_for_again_with_the_same_key(run: Run, scripted: Scripted) -> None:
    scripted.answers["POST /api/v1/incidents"] = (200, an_incident())
    scripted.deaf = 2

    done = run("log", "爆燃", "--unit", "yi-xian")

    posts = [each for each in scripted.heard if each["method"] == "POST"]
    assert done.exit_code == 0, done.stderr
    assert len(posts) == 3
    assert len({each["headers"]["Idempotency-Key"] for each in posts}) == 1


def test_file_reads_elements_and_obligations(run: Run, scripted: Scripted) -> None:
    scripted.answers[f"{POSTED}/reports"] = (200, an_incident())

    done = run(
        "file",
        ID,
        "--covers",
        "initial, verified",
        "--form",
        "written",
        "--text",
        "-",
        "--author",
        "王五",
        "--element",
        "cause=违章=动火",
        "--element",
        "opinion=none",
        "--element",
        "background=pending:正在核实",
        stdin="正文",
    )

    assert done.exit_code == 0, done.stderr
    assert scripted.heard[0]["body"] == {
        "covers": ["initial", "verified"],
        "form": "written",
        "text": "正文",
        "author": "王五",
        "elements": {"cause": "违章=动火", "opinion": {"none": True}, "background": {"pending": "正在核实"}},
    }


@pytest.mark.parametrize(
    ("arguments", "path", "body"),
    [
        (["ack", ID, "--by", "李四"], "acknowledgements", {"by": "李四"}),
        (["amend", ID, "--reason", "更正", "--grade", "I"], "amendments", {"reason": "更正", "grade": "I"}),
        (["close", ID, "--reason", "处置完毕"], "closure", {"reason": "处置完毕"}),
        (["reopen", ID, "--reason", "误结"], "reopening", {"reason": "误结"}),
        (["withdraw", ID, "--reason", "误报"], "withdrawal", {"reason": "误报"}),
        (["withdraw", ID, "--duplicate-of", ID], "withdrawal", {"duplicate_of": ID}),
    ],
)
def test_each_command_goes_to_its_own_place(
    run: Run, scripted: Scripted, arguments: list[str], path: str, body: dict[str, str]
) -> None:
    scripted.answers[f"{POSTED}/{path}"] = (200, an_incident())

    done = run(*arguments)

    assert done.exit_code == 0, done.stderr
    assert scripted.heard[0]["body"] == body
    assert "化工园区爆燃" in done.stdout


def test_an_incident_may_be_named_by_its_code(run: Run, scripted: Scripted) -> None:
    others = [an_incident(id="x", code=f"1123-{number:04}") for number in range(3)]
    scripted.answers["GET /api/v1/incidents"] = (200, {"items": [*others, an_incident()], "next": None})
    scripted.answers[f"GET /api/v1/incidents/{ID}"] = (200, an_incident(notices=[a_notice()]))

    done = run("show", "1123-7kqf")

    assert done.exit_code == 0, done.stderr
    assert ID in done.stdout
    assert "周三" in done.stdout


def test_an_unknown_code_is_said(run: Run, scripted: Scripted) -> None:
    scripted.answers["GET /api/v1/incidents"] = (200, {"items": [], "next": None})

    done = run("show", "1123-XXXX")

    assert done.exit_code == 1
    assert "1123-XXXX" in done.stderr


def test_a_refusal_names_every_path(run: Run, scripted: Scripted) -> None:
    problem = {
        "title": "Unprocessable",
        "status": 422,
        "detail": "2 fields",
        "errors": [
            {"path": "occurred", "message": "no offset"},
            {"path": "grade", "message": "one of I, II"},
        ],
    }
    scripted.answers["POST /api/v1/incidents"] = (422, problem)

    done = run("log", "爆燃", "--unit", "yi-xian", "--json")

    assert done.exit_code == 1
    assert "occurred: no offset" in done.stderr
    assert "grade: one of I, II" in done.stderr
    assert json.loads(done.stdout) == problem


def test_a_missing_token_says_how_to_make_one(run: Run, scripted: Scripted) -> None:
    scripted.answers["GET /api/v1/audit"] = (401, {"title": "Unauthorized", "status": 401})

    done = run("audit")

    assert done.exit_code == 1
    assert "reporter token create" in done.stderr


def test_a_service_that_is_not_there_is_named_with_what_to_do(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPORTER_URL", "http://127.0.0.1:9")

    done = run("now")

    assert done.exit_code == 1
    assert "http://127.0.0.1:9" in done.stderr
    assert "reporter serve" in done.stderr
    assert "Traceback" not in done.stderr


def test_now_is_the_service_s_own_time(run: Run) -> None:
    assert run("now").stdout == "2026-11-23T06:10:00.000000Z\n"
    assert run("now", "--ago", "PT19M57S").stdout == "2026-11-23T05:50:03.000000Z\n"
    assert run("now", "--ago", "soon").exit_code == 2


def test_the_board_in_a_pipe_is_printed_once(run: Run, scripted: Scripted) -> None:
    scripted.answers["GET /api/v1/incidents"] = (200, {"items": [an_incident()], "next": None})

    done = run("board")

    assert done.exit_code == 0, done.stderr
    assert "剩 10:00" in done.stdout
    assert json.loads(run("board", "--json").stdout) == {"items": [an_incident()]}


def test_pages_are_followed_to_the_end(run: Run, scripted: Scripted) -> None:
    line = {
        "version": 1,
        "kind": "opened",
        "at": "2026-11-23T06:00:00.000000Z",
        "actor": "nats:yi-xian",
        "hash": "ab",
    }
    scripted.answers[f"GET /api/v1/incidents/{ID}/ledger"] = (200, {"items": [line], "next": None})

    assert json.loads(run("show", ID, "--ledger", "--json").stdout) == {"items": [line]}


def test_the_audit_is_a_table_of_the_service_s_month(run: Run, scripted: Scripted) -> None:
    row = {
        "unit": "yi-xian",
        "obligation": "initial",
        "due": 1,
        "on_time": 1,
        "late": 0,
        "missing": 0,
        "overdue": 0,
        "undetermined": 0,
        "incomplete": 0,
        "withdrawn": 0,
        "late_median_s": 362.057,
        "late_max_s": None,
    }
    audit = {"month": "2026-11", "as_of": "2026-11-23T06:10:00.000000Z", "rows": [row], "cases": []}
    scripted.answers["GET /api/v1/audit"] = (200, audit)

    done = run("audit", "--unit", "yi-xian")

    assert "yi-xian" in done.stdout
    assert "按时" in done.stdout
    assert "06:02" in done.stdout
    assert "/api/v1/audit?month=2026-11&unit=yi-xian" in [each["path"] for each in scripted.heard]


@pytest.mark.parametrize(
    "arguments",
    [
        ["withdraw", ID],
        ["fly"],
        ["log", "爆燃"],
        ["log", "爆燃", "--unit", "a", "--grade", "V"],
        ["file", ID],
        ["log", "爆燃", "--unit", "a", "--dead", "-1"],
        ["close", ID],
        ["amend", ID, "--reason", "无"],
        ["audit", "--month", "11月"],
        ["bulletin", "2026-11", "--format", "pdf"],
        ["file", ID, "--form", "phone", "--element", "cause"],
        ["demo", "--speed", "1"],
        ["serve", "--http", "nowhere"],
        ["token", "create"],
        ["token", "create", "x", "--role", "king"],
        ["unit", "import", "no-such.csv"],
        ["board", "--url", "ftp://x"],
    ],
)
def test_wrong_usage_is_2_and_says_what(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)

    assert done.exit_code == 2, done.output
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_elements_are_read() -> None:
    assert element("a=b") == ("a", "b")
    assert element("a=text:none") == ("a", "none")
    assert element("a=pending:why") == ("a", {"pending": "why"})
    with pytest.raises(WrongUsage):
        element("=b")


def test_an_interval_is_two_instants() -> None:
    assert instants("2026-11-23T14:00:00+08:00/2026-11-23T14:30:00+08:00") == {
        "earliest": "2026-11-23T14:00:00+08:00",
        "latest": "2026-11-23T14:30:00+08:00",
    }
