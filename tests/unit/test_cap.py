"""CAP 1.2 alerts as commands: what is taken over, what is only kept, what is refused."""

import re
from pathlib import Path
from time import thread_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.core import ijson
from reporter.core.canonical import canonical
from reporter.intake.cap import NAMESPACE, read
from reporter.intake.unreadable import Unreadable

SAMPLES = Path(__file__).parents[1] / "cap"
ALERT = (SAMPLES / "alert.xml").read_text("utf-8")
UPDATE = (SAMPLES / "update.xml").read_text("utf-8")
CANCEL = (SAMPLES / "cancel.xml").read_text("utf-8")


def errors_of(body: bytes) -> dict[str, str]:
    with pytest.raises(Unreadable) as unreadable:
        read(body)
    return {problem.path: problem.message for problem in unreadable.value.errors}


def data_of(xml: str) -> dict[str, object]:
    return read(xml.encode()).data


def kept(data: dict[str, object]) -> dict[str, object]:
    cap = data["cap"]
    assert isinstance(cap, dict)
    return cap


def without(xml: str, *names: str) -> str:
    """`xml` without the elements of these names."""
    for name in names:
        xml = re.sub(rf"<{name}>.*?</{name}>", "", xml, flags=re.DOTALL)
    return xml


def test_an_alert_opens_an_incident_with_what_it_says_in_chinese() -> None:
    alert = read(ALERT.encode())

    assert (alert.source, alert.id) == ("cap:duty@park.example", "PARK-2026-0417")
    assert alert.type == "reporter.incident.occurred"
    assert {name: value for name, value in alert.data.items() if name != "cap"} == {
        "title": "化工园区3号库爆燃",
        "occurred": "2026-11-23T14:00:00+08:00",
        "category": "accident",
        "grade": None,
        "mode": "actual",
        "channel": "cap",
        "summary": "东门上空有浓烟。",
        "place": {"text": "乙县化工园区3号库；东门", "code": "370400", "lat": 34.8, "lon": 117.3},
    }


def test_all_that_an_alert_says_is_kept_as_sent() -> None:
    cap = kept(data_of(ALERT))

    assert cap["sent"] == "2026-11-23T14:06:00+08:00"
    assert (cap["scope"], cap["restriction"]) == ("Restricted", "仅限值班人员")
    assert cap["code"] == "park-1 park-2"
    assert cap["incidents"] == "park-fire-0417"
    assert cap["references"] == []
    infos = cap["infos"]
    assert isinstance(infos, list)
    assert [info["headline"] for info in infos] == ["Explosion at warehouse 3", "化工园区3号库爆燃"]
    chinese = infos[1]
    assert (chinese["severity"], chinese["urgency"], chinese["certainty"]) == (
        "Extreme",
        "Immediate",
        "Observed",
    )
    assert chinese["category"] == ["Fire", "CBRNE"]
    assert chinese["eventCode"] == [{"valueName": "GB/T 35561", "value": "20300"}]
    assert [area["areaDesc"] for area in chinese["area"]] == ["乙县化工园区3号库", "东门"]
    assert chinese["area"][0]["polygon"] == ["34.80,117.30 34.81,117.30 34.81,117.31 34.80,117.30"]
    assert chinese["area"][0]["circle"] == ["34.8,117.3 1.5"]
    assert chinese["area"][0]["geocode"] == [{"valueName": "GB/T 2260", "value": "370400"}]


def test_without_an_onset_the_occurrence_is_unknown_and_never_the_time_of_sending() -> None:
    assert "occurred" not in data_of(without(ALERT, "onset"))


def test_an_onset_is_read_in_the_form_cap_gives_to_utc() -> None:
    assert data_of(UPDATE)["occurred"] == "2026-11-23T05:58:00Z"


def test_an_odd_onset_goes_on_as_sent_for_the_gate_to_name() -> None:
    assert (
        data_of(ALERT.replace("14:00:00+08:00", "14:00:00,08:00"))["occurred"] == "2026-11-23T14:00:00,08:00"
    )


def test_the_title_is_the_headline_or_else_the_event() -> None:
    assert data_of(without(ALERT, "headline"))["title"] == "爆燃"
    assert data_of(ALERT.replace("zh-CN", "fr"))["title"] == "Explosion at warehouse 3"
    assert data_of(ALERT.replace("化工园区3号库爆燃", " "))["title"] == "爆燃"


def test_an_alert_with_nothing_to_call_it_by_is_refused() -> None:
    assert list(errors_of(without(ALERT, "headline", "event").encode())) == ["info.headline"]
    assert list(errors_of(without(ALERT, "info").encode())) == ["info.headline"]


@pytest.mark.parametrize(
    ("given", "category"),
    [
        (["Geo"], "natural"),
        (["Met"], "natural"),
        (["Met", "Geo"], "natural"),
        (["Safety"], "accident"),
        (["Transport"], "accident"),
        (["Infra"], "accident"),
        (["Env"], "accident"),
        (["CBRNE"], "accident"),
        (["Health"], "health"),
        (["Security"], "security"),
        (["Rescue"], "other"),
        (["Other"], "other"),
        (["Fire", "Met"], "other"),
        (["Fire", "Other"], "other"),
        (["fire?"], "other"),
        ([], "other"),
    ],
)
def test_the_category_is_ours_only_where_all_of_theirs_agree(given: list[str], category: str) -> None:
    categories = "".join(f"<category>{name}</category>" for name in given)
    xml = without(ALERT, "category").replace("<event>", categories + "<event>")

    assert data_of(xml)["category"] == category


@pytest.mark.parametrize(
    ("status", "mode"), [("Actual", "actual"), ("Exercise", "exercise"), ("Test", "test"), ("System", "test")]
)
@pytest.mark.parametrize("xml", [ALERT, UPDATE, CANCEL], ids=["alert", "update", "cancel"])
def test_the_status_is_the_mode(xml: str, status: str, mode: str) -> None:
    assert data_of(xml.replace(">Actual<", f">{status}<"))["mode"] == mode


@pytest.mark.parametrize("circle", ["91,0 1", "0,181 1", "34.8 117.3 1", "x", "", "NaN,1 1"])
def test_a_circle_that_names_no_point_is_only_kept(circle: str) -> None:
    place = data_of(ALERT.replace("34.8,117.3 1.5", circle))["place"]

    assert place == {"text": "乙县化工园区3号库；东门", "code": "370400"}


def test_an_update_amends_the_first_alert_of_its_chain() -> None:
    alert = read(UPDATE.encode())

    assert alert.type == "reporter.incident.amended"
    assert (alert.source, alert.id) == ("cap:duty@park.example", "PARK-2026-0417-B")
    assert {name: value for name, value in alert.data.items() if name != "cap"} == {
        "event": {"source": "cap:duty@park.example", "id": "PARK-2026-0417"},
        "reason": "监控录像核实了时间",
        "mode": "actual",
        "title": "爆燃",
        "occurred": "2026-11-23T05:58:00Z",
    }
    assert kept(alert.data)["references"] == [
        "duty@park.example,PARK-2026-0417-A,2026-11-23T14:30:00+08:00",
        "duty@park.example,PARK-2026-0417,2026-11-23T06:06:00-00:00",
    ]


def test_an_update_changes_nothing_that_it_does_not_say() -> None:
    data = data_of(UPDATE)

    assert not {"grade", "category", "place", "summary", "channel"} & data.keys()


def test_a_cancel_withdraws_and_gives_a_reason_even_where_its_sender_gave_none() -> None:
    alert = read(CANCEL.encode())

    assert alert.type == "reporter.incident.withdrawn"
    assert alert.data["event"] == {"source": "cap:duty@park.example", "id": "PARK-2026-0417"}
    assert str(alert.data["reason"]).startswith("预警信息取消")
    assert "incident" not in alert.data


@pytest.mark.parametrize(
    ("triples", "original"),
    [
        ("s,b,2026-01-01T00:00:00+08:00 s,a,2025-12-31T15:59:59-00:00", "a"),
        ("s,a,2026-01-01T00:00:00+08:00 s,b,2026-01-01T00:00:00+08:00", "a"),
        ("s,odd,yesterday s,a,2026-01-01T00:00:00+08:00", "a"),
        ("s,naive,2020-01-01T00:00:00 s,a,2026-01-01T00:00:00+08:00", "a"),
        ("s,a,x s,b,y", "a"),
        ("s,b,0001-01-01T00:00:01+08:00 s,a,0001-01-01T00:00:00+08:00", "a"),
        ("s,a,9999-12-31T23:59:58-08:00 s,b,9999-12-31T23:59:59-08:00", "a"),
        ("s,a,2026-01-01T00:00:00,08:00", "a"),
    ],
)
def test_the_original_is_the_earliest_by_instant_and_named_in_its_own_words(
    triples: str, original: str
) -> None:
    xml = re.sub(r"<references>.*</references>", f"<references>{triples}</references>", CANCEL)

    assert data_of(xml)["event"] == {"source": "cap:s", "id": original}


@pytest.mark.parametrize(
    ("xml", "path", "words"),
    [
        (ALERT.replace(">Alert<", ">Ack<"), "msgType", "an answer, not an incident"),
        (ALERT.replace(">Alert<", ">Error<"), "msgType", "an answer, not an incident"),
        (ALERT.replace(">Alert<", ">Alarm<"), "msgType", "Alert, Update, Cancel"),
        (ALERT.replace(">Actual<", ">Draft<"), "status", "Draft"),
        (ALERT.replace(">Actual<", ">Real<"), "status", "Actual, Exercise, Test, System"),
        (without(ALERT, "identifier"), "identifier", "missing"),
        (ALERT.replace(">duty@park.example<", "> <"), "sender", "missing"),
        (without(ALERT, "status"), "status", "missing"),
        (without(ALERT, "msgType"), "msgType", "missing"),
        (without(CANCEL, "references"), "references", "no earlier alert"),
        (ALERT.replace(">Alert<", ">Update<"), "references", "no earlier alert"),
        (
            CANCEL.replace("<references>duty@park.example,", "<references>"),
            "references.0",
            "sender,identifier,sent",
        ),
        (CANCEL.replace("</references>", " a;b;c</references>"), "references.1", "sender,identifier,sent"),
        (ALERT.replace(NAMESPACE, "urn:oasis:names:tc:emergency:cap:1.1"), "body", "cap:1.1"),
        (ALERT.replace(f' xmlns="{NAMESPACE}"', ""), "body", NAMESPACE),
        (f'<feed xmlns="{NAMESPACE}"/>', "body", "expected alert"),
        (ALERT[:-9], "body", "not XML"),
        ("", "body", "not XML"),
        ("{}", "body", "not XML"),
        (ALERT.replace("爆燃", "&bang;"), "body", "not XML"),
        (ALERT.replace("爆燃", "&#0;"), "body", "not XML"),
        (ALERT.replace("爆燃", "&" + "x" * 9000 + ";"), "body", "not XML"),
        (ALERT.replace("爆燃", "&#x1FFFE;"), "body", "U+1FFFE"),
        (ALERT.replace("爆燃", "x" * 262_144), "body", "262144"),
        (ALERT.replace("UTF-8", "shift_jis"), "body", "encoding"),
        (ALERT.replace("UTF-8", "no-such"), "body", "encoding"),
        ("<!DOCTYPE alert>" + ALERT.partition("?>")[2], "body", "DOCTYPE"),
        (
            '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
            + ALERT.partition("?>")[2].replace("爆燃", "&x;"),
            "body",
            "DOCTYPE",
        ),
    ],
)
def test_what_cannot_be_acted_on_is_refused_with_the_reason(xml: str, path: str, words: str) -> None:
    errors = errors_of(xml.encode())

    assert list(errors) == [path]
    assert words in errors[path]
    assert len(errors[path]) < 300


def test_all_that_is_wrong_with_the_head_is_told_together() -> None:
    errors = errors_of(
        f'<alert xmlns="{NAMESPACE}"><status>Draft</status><msgType>Update</msgType></alert>'.encode()
    )

    assert set(errors) == {"identifier", "sender", "status", "references"}


def test_an_alert_with_odd_references_still_opens() -> None:
    assert kept(data_of(ALERT.replace("<info>", "<references>a;b</references><info>", 1)))["references"] == [
        "a;b"
    ]


def test_entities_are_refused_unexpanded() -> None:
    assert "DOCTYPE" in errors_of((SAMPLES / "entities.xml").read_bytes())["body"]


@pytest.mark.parametrize(
    ("encoding", "declared"), [("utf-16", "UTF-16"), ("gb18030", "GB2312"), ("gbk", "gbk")]
)
def test_an_alert_in_another_encoding_is_read(encoding: str, declared: str) -> None:
    assert read(ALERT.replace("UTF-8", declared).encode(encoding)) == read(ALERT.encode())


def test_a_signature_and_foreign_elements_are_passed_over() -> None:
    foreign = (
        '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><identifier>x</identifier></Signature></alert>'
    )

    assert data_of(ALERT.replace("</alert>", foreign)) == data_of(ALERT)


@pytest.mark.parametrize(
    "inside", ["<a>" * 30_000 + "</a>" * 30_000, "<info/>" * 30_000, "<info>" * 15_000 + "</info>" * 15_000]
)
def test_a_bomb_of_elements_is_answered_at_once(inside: str) -> None:
    began = thread_time()
    data = data_of(ALERT.replace("</alert>", inside + "</alert>"))

    assert data["title"] == "化工园区3号库爆燃"
    assert thread_time() - began < 3


@given(
    st.binary(max_size=60)
    | st.builds(
        lambda at, cut, put: ALERT.encode()[:at] + put + ALERT.encode()[at + cut :],
        st.integers(0, len(ALERT.encode())),
        st.integers(0, 40),
        st.binary(max_size=8) | st.text(max_size=8).map(lambda text: text.encode("utf-8", "surrogatepass")),
    )
)
def test_whatever_the_bytes_are_the_answer_is_an_alert_or_unreadable(body: bytes) -> None:
    alert, errors = None, []
    try:
        alert = read(body)
    except Unreadable as unreadable:
        errors = unreadable.errors

    if alert is None:
        assert errors
        assert "".join(problem.message for problem in errors).encode()
    else:
        assert ijson.loads(canonical(alert.data)) == alert.data
