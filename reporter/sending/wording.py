"""From a notice's row to the message a person reads: Chinese first, English second, both from one template.

The texts are `templates/notices/<reason>/{subject.txt,body.txt,short.txt}`; see `texts` for how they are written.
"""

from datetime import datetime, timedelta
from typing import Final

from reporter.channels.contract import Message
from reporter.core.instants import maybe_rfc3339, rfc3339
from reporter.core.notice import IncidentWords, Taken, Words, written_note
from reporter.core.plain import recipient_words
from reporter.core.roster import NOBODY, PART, is_of_duty
from reporter.core.schedule import Edition
from reporter.core.standin import in_place_of
from reporter.core.terms import Mode, NoticeReason
from reporter.render import countdown
from reporter.sending.texts import Texts

_NONE: Final = timedelta(0)
_SECOND: Final = timedelta(seconds=1)
NOTE_SEPARATOR: Final = PART
"""Between the parts of a note: why it went to this person, and what else there is to say."""


def message(
    notice: Taken,
    words: Words,
    texts: Texts,
    now: datetime,
    *,
    public_url: str | None = None,
    ack_url: str | None = None,
) -> Message:
    """The message of a notice as of `now`: an attempt that comes later says how late it has become.

    With `public_url`, the address at which people reach the desk, it carries a link to the incident; with
    `ack_url` one that acknowledges.

    Errors: jinja2's, for a template that is missing or asks for what there is not; ValueError for a row with
    a reason or mode unknown to this version.
    """
    reason, mode = NoticeReason(notice.reason), Mode(notice.mode)
    incident = words.incidents.get(notice.incident_id or "")
    edition = words.editions.get(incident.edition_digest) if incident else None
    unit = words.units[incident.unit if incident else notice.unit].name
    stands_for = words.units.get(whose_place(notice.note) or "")
    due_at = words.dues.get((notice.incident_id or "", notice.obligation or ""))
    span = _NONE if due_at is None else now - due_at
    over_s = span // _SECOND if span > _NONE else None
    left_s = -span // _SECOND if span < _NONE else None
    link = None
    if public_url is not None:
        link = public_url.rstrip("/") + (f"/incidents/{incident.id}" if incident else "/")

    def said() -> dict[str, object]:
        titles = _titles(notice, edition)
        return {
            "reason": reason,
            "mode": mode,
            "is_actual": mode is Mode.ACTUAL,
            "is_superior": notice.to_role.startswith("superior."),
            "unit": unit,
            "obligation_zh": titles[0],
            "obligation_en": titles[1],
            "due_at": due_at,
            "over": None if over_s is None else countdown(over_s * _SECOND),
            "left": None if left_s is None else countdown(left_s * _SECOND),
            "repeat": notice.repeat,
            "person": notice.person,
            "phone": notice.phone,
            "stands_for": stands_for.name if stands_for else None,
            "stands_for_phone": stands_for.phone if stands_for else None,
            "in_place_of": in_place_of(written_note(notice.note)),
            "to_words_zh": recipient_words(notice.to_role)[0],
            "to_words_en": recipient_words(notice.to_role)[1],
            "detail": _detail(notice.note),
        }

    by = (
        mode, unit, notice.obligation, edition and edition.digest, due_at, over_s, left_s, notice.repeat, notice.person,
        notice.phone, notice.to_role, notice.note, stands_for,
    )  # fmt: skip
    gaps = {
        "id": notice.id,
        "link": link,
        "ack_url": ack_url,
        "code": incident.code if incident else None,
        "title": incident.title if incident else None,
        "title_cut": _cut(incident.title, 200) if incident else None,
        "title_short": _cut(incident.title, 12) if incident else None,
    }
    written = texts.write(reason, by, said, gaps)
    return Message(
        id=notice.id,
        mode=mode,
        reason=reason,
        subject=written.subject,
        text=written.text,
        to=notice.to_role,
        person=notice.person,
        address=notice.address,
        incident=notice.incident_id,
        code=incident.code if incident else None,
        title=incident.title if incident else None,
        unit=unit,
        obligation=notice.obligation,
        step=notice.step,
        repeat=notice.repeat,
        due_at=due_at,
        short=written.short,
        phone=notice.phone,
        link=link,
        ack_url=ack_url,
        payload=_payload(notice, incident, unit, due_at),
    )


def whose_place(note: str | None) -> str | None:
    """The unit in whose place the person is noticed."""
    if not note or NOBODY not in note:
        return None
    parts = written_note(note).split(NOTE_SEPARATOR)
    return next((part.removeprefix(f"{NOBODY}:") for part in parts if part.startswith(f"{NOBODY}:")), None)


def _payload(
    notice: Taken, incident: IncidentWords | None, unit: str, due_at: datetime | None
) -> dict[str, object]:
    """The notice for machines, in the words of the HTTP API."""
    return {
        "notice": notice.id,
        "incident": incident.id if incident else None,
        "code": incident.code if incident else None,
        "title": incident.title if incident else None,
        "schedule": incident.schedule if incident else None,
        "unit": incident.unit if incident else notice.unit,
        "unit_name": unit,
        "mode": notice.mode,
        "reason": notice.reason,
        "obligation": notice.obligation,
        "step": notice.step,
        "repeat": notice.repeat,
        "due_at": maybe_rfc3339(notice.due_at),
        "obligation_due_at": maybe_rfc3339(due_at),
        "recorded_at": rfc3339(notice.recorded_at),
        "to": notice.to_role,
        "person": notice.person,
        "phone": notice.phone,
        "attempts": notice.attempts,
        "note": written_note(notice.note) or None,
    }


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else text[: chars - 1] + "…"


def _detail(note: str | None) -> str | None:
    """What the note says besides why it went to this person."""
    parts = [part for part in written_note(note).split(NOTE_SEPARATOR) if part and not is_of_duty(part)]
    return NOTE_SEPARATOR.join(parts) or None


def _titles(notice: Taken, edition: Edition | None) -> tuple[str | None, str | None]:
    """The obligation's titles, Chinese and English; its id where the edition cannot be read."""
    obligation = edition.obligation(notice.obligation) if edition and notice.obligation else None
    if obligation is None:
        return notice.obligation, notice.obligation
    return obligation.title_zh, obligation.title_en
