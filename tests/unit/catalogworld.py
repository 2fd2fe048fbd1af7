"""A sound schedule file, and ways to load it, to spoil it, and to hear why it is refused."""

from pathlib import Path

import pytest

from reporter import catalog
from reporter.catalog import Catalog, CatalogError, Problem

SOUND = """
id = "test"
title = { zh = "试行规定", en = "A trial rule" }
jurisdiction = "CN"
zone = "Asia/Shanghai"

[[edition]]
in_force = 2021-02-05
citation = { title = "A notice", article = "item 1", href = "", checked = 2026-01-01 }

[[edition.obligation]]
id = "initial"
title = { zh = "初报", en = "Initial report" }
authority = { zh = "总值班室", en = "Duty office" }
starts_on = "occurred"
span = "PT20M"
forms = ["phone", "written"]
when = [{ grade = ["I", "II"], category = ["accident"] }, { sensitive = [true] }]
ladder = [
  { at = "PT10M", to = ["superior.leader"], every = "PT10M", at_most = 6 },
  { at = "PT0S", to = ["unit.duty_officer", "unit.leader"] },
  { at = "-PT5M", to = ["unit.duty_officer"] },
]

[[edition.obligation]]
id = "followup"
title = { zh = "续报", en = "Follow-up" }
combine = "latest_of"
bounds = [
  { starts_on = "submitted:initial", span = "P1M" },
  { starts_on = "handled", span = "P1DT2H", unless_past_at = "classified" },
]
forms = ["written"]
covers_earlier = false
elements = [{ id = "cause", zh = "起因", en = "Cause" }]
ladder = [{ at = "PT0S", to = ["unit.leader"] }]

[[edition.obligation]]
id = "outline"
title = { zh = "及时报告", en = "Outline" }
starts_on = "aware"
span = "PT1H"
forms = ["phone"]
soft = true

[[case]]
says = { zh = "二级事件，20 分钟。", en = "A grade II accident: 20 minutes." }
edition = 2021-02-05
obligation = "initial"
anchors = { occurred = 2021-03-01T14:00:00+08:00 }
facts = { grade = "II", category = "accident" }
due = 2021-03-01T14:20:00+08:00

[[case]]
says = { zh = "四级事件不适用。" }
edition = 2021-02-05
obligation = "initial"
anchors = { occurred = 2021-03-01T14:00:00+08:00 }
facts = { grade = "IV", sensitive = false }
required = false

[[case]]
says = { en = "A month after the initial report is due, while there is none." }
edition = 2021-02-05
obligation = "followup"
anchors = { occurred = 2021-01-31T14:00:00+08:00 }
due = 2021-02-28T14:20:00+08:00

[[case]]
says = { en = "An hour after it was learnt of." }
edition = 2021-02-05
obligation = "outline"
anchors = { aware = 2021-03-01T14:00:00+08:00 }
due = 2021-03-01T15:00:00+08:00
"""


def load(folder: Path, text: str, name: str = "test.toml") -> Catalog:
    (folder / name).write_text(text, "utf-8")
    return catalog.load([folder], default_id="test")


def problems(folder: Path, text: str) -> list[Problem]:
    with pytest.raises(CatalogError) as refused:
        load(folder, text)
    return list(refused.value.problems)


def changed(old: str, new: str, count: int = 1) -> str:
    assert old in SOUND
    return SOUND.replace(old, new, count)
