"""Notice texts: whatever is known or missing, every form is written, says why, and fits its medium."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reporter.channels import Message
from reporter.core.notice import IncidentWords, Taken, UnitContact, Words
from reporter.core.terms import Mode, NoticeReason
from reporter.render import Renderer
from reporter.sending.texts import Texts
from reporter.sending.wording import message

NOW = datetime(2026, 11, 23, 6, 25, tzinfo=UTC)
GOLDEN = Path(__file__).with_name("notice_texts.txt")
RENDERERS = {language: Renderer("Asia/Shanghai", language) for language in ("zh", "en")}
TEXTS = {language: Texts(renderer) for language, renderer in RENDERERS.items()}
UNITS = {code: UnitContact(name, "0632-1") for code, name in (("east", "东街道"), ("quiet", "无人镇"))}


def a_notice(**values: object) -> Taken:
    fixed: dict[str, object] = {
        "id": "n-1", "incident_id": "i-1", "unit": "east", "mode": Mode.ACTUAL, "obligation": "initial",
        "step": "PT0S", "repeat": 1, "reason": NoticeReason.BREACH, "to_role": "unit.duty_officer",
        "person": "李东", "phone": "13800000000", "channel": "sms", "address": "13800000000", "due_at": NOW,
        "recorded_at": NOW, "attempts": 1, "note": None,
    }  # fmt: skip
    return Taken(**{**fixed, **values})  # type: ignore[arg-type]  # columns of a row


def the_message(
    notice: Taken,
    *,
    title: str = "化工园区爆燃",
    language: str = "zh",
    due_at: datetime | None = None,
    ack: bool = False,
) -> Message:
    incident = IncidentWords("i-1", "1123-7KQF", title, "east", "s", "d")
    incidents = {"i-1": incident} if notice.incident_id else {}
    dues = {("i-1", "initial"): due_at} if due_at else {}
    return message(
        notice,
        Words(incidents, dues, UNITS, {}),
        TEXTS[language],
        NOW,
        public_url="https://desk.example/",
        ack_url="https://desk.example/a/token" if ack else None,
    )


def test_the_texts_are_those_that_were_read_and_agreed() -> None:
    """After a change of wording: read what this prints, and replace the file's content with it."""
    due = NOW - timedelta(minutes=5)
    of_no_incident = {
        NoticeReason.REJECTED,
        NoticeReason.HELD,
        NoticeReason.ROSTER_GAP,
        NoticeReason.TEST,
        NoticeReason.REHEARSAL,
    }
    cases = [
        the_message(a_notice(reason=reason), due_at=due, ack=reason is NoticeReason.BREACH)
        for reason in NoticeReason
        if reason not in of_no_incident
    ]
    cases += [
        the_message(a_notice(reason=reason, incident_id=None, obligation=None))
        for reason in sorted(of_no_incident)
    ]
    cases.append(the_message(a_notice(to_role="superior.leader", mode=Mode.EXERCISE), due_at=due))
    cases.append(the_message(a_notice(person=None, note="nobody_on_duty"), due_at=NOW + timedelta(minutes=5)))
    cases.append(the_message(a_notice(note="nobody_on_duty:quiet; 三次", repeat=3), due_at=due))

    made = "\n".join(
        f"=== {each.reason}\n{each.subject}\n--- short\n{each.short}\n---\n{each.text}" for each in cases
    )

    assert made == GOLDEN.read_text(encoding="utf-8"), made


words = st.text(max_size=300)
notices = st.builds(
    a_notice,
    reason=st.sampled_from(NoticeReason),
    mode=st.sampled_from(Mode),
    incident_id=st.sampled_from([None, "i-1"]),
    obligation=st.sampled_from([None, "initial"]),
    person=st.one_of(st.none(), words),
    phone=st.one_of(st.none(), words),
    to_role=st.sampled_from(["unit.duty_officer", "superior.leader", "odd"]),
    repeat=st.integers(0, 10**6),
    note=st.one_of(st.none(), words, st.just("nobody_on_duty:quiet"), st.just("nobody_on_duty; 三")),
)


@given(
    notices,
    words,
    st.sampled_from(["zh", "en"]),
    st.sampled_from([None, NOW, NOW - timedelta(days=9)]),
    st.booleans(),
)
def test_no_text_fails_for_what_is_missing_or_odd(
    notice: Taken, title: str, language: str, due_at: datetime | None, ack: bool
) -> None:
    made = the_message(notice, title=title, language=language, due_at=due_at, ack=ack)

    assert made.subject and "\n" not in made.subject
    assert made.short and "\n" not in made.short
    assert "为何收到本通知：" in made.text and "Why you receive this: " in made.text
    assert ("https://desk.example/a/token" in made.text) is ack
    assert "None" not in made.short or "None" in title
    for text in (made.subject, made.text, made.short):
        assert text.startswith(
            {Mode.ACTUAL: "", Mode.EXERCISE: "【演练】", Mode.TEST: "【测试】"}[Mode(notice.mode)]
        )


@given(notices, notices, st.sampled_from(Taken._fields), st.integers(-2_000_000, 2_000_000), st.data())
def test_what_is_kept_of_one_notice_never_stands_in_another(
    notice: Taken, other: Taken, name: str, microseconds: int, data: st.DataObject
) -> None:
    """Two notices that differ in one thing, a moment apart, one of them perhaps of a unit that has another name."""
    changed = notice._replace(**{name: getattr(other, name)})
    units = {
        "east": UnitContact(data.draw(st.sampled_from(["东街道", "西街道"])), "0632-1"),
        "quiet": UNITS["quiet"],
    }
    kept = Texts(RENDERERS["zh"])

    def made(notice: Taken, texts: Texts, span: timedelta, units: dict[str, UnitContact]) -> Message:
        return message(notice, Words({}, {("i-1", "initial"): NOW}, units, {}), texts, NOW + span)

    made(notice, kept, timedelta(0), UNITS)
    later = timedelta(microseconds=microseconds)

    assert made(changed, kept, later, units) == made(changed, Texts(RENDERERS["zh"]), later, units)


@given(
    st.sampled_from(NoticeReason),
    st.sampled_from(Mode),
    st.text("长标题", max_size=100),
    st.sampled_from([None, NOW]),
)
def test_a_short_text_in_chinese_fits_one_message(
    reason: NoticeReason, mode: Mode, title: str, due_at: datetime | None
) -> None:
    made = the_message(
        a_notice(reason=reason, mode=mode), title=title, due_at=due_at and due_at - timedelta(minutes=99)
    )

    statutory = reason in {NoticeReason.REMINDER, NoticeReason.BREACH, NoticeReason.ESCALATION}
    assert len(made.short) <= (70 if statutory else 90)
