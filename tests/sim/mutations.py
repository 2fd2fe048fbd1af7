"""Has the simulation teeth? One rule at a time is broken in a copy of the product, and some seed must notice.

`python -m tests.sim.mutations` plays seeds against every mutation until one fails; `--only WORD` those whose name
holds the word, `--seeds 1-40` other seeds than these. It ends with 1 if a mutation went unnoticed. A mutation is an
edit of text: one that no longer fits the product is a failure too, and `tests/sim/test_mutations.py` says so early.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("reporter", "tests", "schedules", "templates", "pyproject.toml")
SEEDS = "1-60"
TIMEOUT_S = 900


@dataclass(frozen=True)
class Mutation:
    """In `file`, `before` (it stands there once) becomes `after`."""

    name: str
    file: str
    before: str
    after: str

    def applied(self, text: str) -> str:
        """The broken file. Errors: ValueError if the text does not stand there exactly once."""
        if text.count(self.before) != 1:
            raise ValueError(f"{self.name}: stands {text.count(self.before)} times in {self.file}: {self.before!r}")
        return text.replace(self.before, self.after)


CLOCK, CLOCKS = "reporter/core/clock.py", "reporter/core/clocks.py"
INCIDENT, DECIDE, LADDER = "reporter/core/incident.py", "reporter/core/decide.py", "reporter/core/ladder.py"
BATCH, RECORD, FENCE = "reporter/engine/batch.py", "reporter/engine/record.py", "reporter/engine/fence.py"
ROWS, INCIDENTS = "reporter/store/rows.py", "reporter/store/incidents.py"

MUTATIONS = (
    Mutation(
        "a report at the last instant is late", CLOCK,
        "if self.met_at <= self.due_at:\n                return Verdict.ON_TIME",
        "if self.met_at < self.due_at:\n                return Verdict.ON_TIME",
    ),
    Mutation(
        "a report at the last instant does not prevent the breach", CLOCK,
        "return self.met_at is not None and self.met_at <= self.due_at",
        "return self.met_at is not None and self.met_at < self.due_at",
    ),
    Mutation("a later report does not count for earlier duties", INCIDENT, "if is_later and other.covers_earlier", "if False and is_later"),
    Mutation("a report covers earlier duties where the rule says it does not", INCIDENT, "if is_later and other.covers_earlier and", "if is_later and"),
    Mutation("a phone report meets a written duty", INCIDENT, "or item.report.form not in obligation.forms:", "or not item.report.form:"),
    Mutation("a report that names nothing is for the first duty, met or not", INCIDENT, "if o.id not in met and item.report.form in o.forms", "if item.report.form in o.forms"),
    Mutation("an interval's earlier end alone judges lateness", CLOCK, "return Verdict.LATE if self.met_at > self.final_due_at else Verdict.UNDETERMINED", "return Verdict.LATE"),
    Mutation("the ladder of an interval runs on its later end", INCIDENT, 'early = {"occurred": view.occurred.earliest,', 'early = {"occurred": view.occurred.latest,'),
    Mutation("a provisional anchor gives a final verdict", CLOCK, "if is_provisional:\n                return Verdict.UNDETERMINED", "if False:\n                return Verdict.UNDETERMINED"),
    Mutation("an occurrence in the future is believed", INCIDENT, "elif said.latest > said_at + FUTURE_TOLERANCE:", "elif said.latest > said_at + 90 * FUTURE_TOLERANCE:"),
    Mutation("an amended occurrence is measured against the opening's arrival", INCIDENT, 'occurrences.append((corrected.pop("occurred"), entry.received_at))', 'occurrences.append((corrected.pop("occurred"), opened.received_at))'),
    Mutation("an amendment lifts no breach", DECIDE, "clock.breach_due_at is not None and (is_moved or", "clock.breach_due_at is not None and ("),
    Mutation("an amendment to another past instant lifts and does not breach anew", DECIDE, "changed.breached_anew.append(clock)", "pass"),
    Mutation("a report found to be in time does not lift the breach", DECIDE, "(is_moved or clock.is_met_in_time or is_withdrawn_in_time)", "(is_moved or is_withdrawn_in_time)"),
    Mutation("a withdrawal before the deadline does not lift the breach", DECIDE, "(is_moved or clock.is_met_in_time or is_withdrawn_in_time)", "(is_moved or clock.is_met_in_time)"),
    Mutation("what never came is late, not missing", CLOCK, "Verdict.UNDETERMINED if is_provisional else Verdict.MISSING", "Verdict.UNDETERMINED if is_provisional else Verdict.LATE"),
    Mutation("closing stops a clock that is not yet due", INCIDENT, "clock.missing_at = max(view.closed_at, clock.final_due_at)", "clock.missing_at = view.closed_at"),
    Mutation("a report after the clock is missing counts", INCIDENT, "if clock.missing_at and item.entry.received_at > clock.missing_at:", "if False:"),
    Mutation("an unclosed ladder ends with the closure", CLOCK, "if closed_at is not None and closed_at > self.due_at:", "if closed_at is not None:"),
    Mutation("a step repeats once too often", LADDER, "at = repetition.next_at + missed * step.every\n        repetition.next_at = at + step.every if repetition.count < step.at_most else None", "at = repetition.next_at + missed * step.every\n        repetition.next_at = at + step.every if repetition.count <= step.at_most else None"),
    Mutation("after downtime every missed repetition is made up for", LADDER, "missed = min((limit - repetition.next_at) // step.every, step.at_most - repetition.count - 1)", "missed = 0"),
    Mutation("known-late steps all fire", LADDER, "    if ladder.position < past:\n", "    if False:\n"),
    Mutation("known-late steps reach the newest step's people alone", LADDER, "for step in reversed(self.collapsed):", "for step in ():"),
    Mutation("an amendment fires past steps that fired before", LADDER, "position = max(past if top + 1 >= past else top + 1, earlier.get(due_at, 0))", "position = max(0, earlier.get(due_at, 0))"),
    Mutation("a due time that comes back fires its steps again", LADDER, "earlier = {} if anew else {**ladder.earlier, ladder.due_at: ladder.position}", "earlier = {}"),
    Mutation("repetitions do not move with the due time", LADDER, "next_at += due_at - ladder.due_at", "pass"),
    Mutation("a report does not end the ladder", CLOCK, "ends = [at for at in (self.met_at, withdrawn_at) if at is not None]", "ends = [at for at in (withdrawn_at,) if at is not None]"),
    Mutation("a withdrawal does not end the ladder", CLOCK, "ends = [at for at in (self.met_at, withdrawn_at) if at is not None]", "ends = [at for at in (self.met_at,) if at is not None]"),
    Mutation("a withdrawn incident is breached all the same", CLOCK, "and not (withdrawn_at is not None and withdrawn_at <= self.due_at)", "and True"),
    Mutation("a reopening resumes no ladder", DECIDE, "if is_moved or anew or is_chased_longer:", "if is_moved or anew:"),
    Mutation("a reopening does not undo a withdrawal", INCIDENT, "case CommandKind.REOPENED:", "case CommandKind.REOPENED if state is not IncidentState.WITHDRAWN:"),
    Mutation("a closure undoes a withdrawal", INCIDENT, "case CommandKind.CLOSED if state is IncidentState.OPEN:", "case CommandKind.CLOSED if state is not IncidentState.CLOSED:"),
    Mutation("a duplicate's reports do not count for the survivor", BATCH, "if each.is_foreign or each.report in known:", "if True:"),
    Mutation("a survivor keeps the reports of what turned out to be none of its duplicates", BATCH, "if was is not None and was != work.survivor and was in self.works:", "if False:"),
    Mutation("a duplicate's report counts from the joining, not from its arrival", BATCH, "self._apply(\n                survivor,\n                each,\n", "self._apply(\n                survivor,\n                replace(each, received_at=entry.received_at),\n"),
    Mutation("commands count in the order in which they are processed", INCIDENT, "ordered = sorted(others, key=lambda entry: entry.order)", "ordered = list(others)"),
    Mutation("commands of one instant count in the order of their ids alone", INCIDENT, "return (self.received_at, self.source, self.id)", "return (self.received_at, self.id, self.source)"),
    Mutation("a redelivered message takes effect again", BATCH, "if known is None:\n            return await self._decide(command)\n        if known.digest", "if known is None or command.kind is CommandKind.FILED:\n            return await self._decide(command)\n        if known.digest"),
    Mutation("a drill that becomes actual fires nothing for its past", DECIDE, "anew = before is not Mode.ACTUAL and view.mode is Mode.ACTUAL", "anew = False"),
    Mutation("an amendment may make an incident a drill", INCIDENT, 'if corrected.get("mode") != Mode.ACTUAL:', "if False:"),
    Mutation("an acknowledgement ends the whole ladder", LADDER, "if steps[repetition.step].offset == offset:\n            repetition.next_at = None", "repetition.next_at, ladder.position = None, len(steps)"),
    Mutation("an acknowledgement ends no repetition", LADDER, "if steps[repetition.step].offset == offset:\n            repetition.next_at = None", "pass"),
    Mutation("an acknowledgement of one step ends the repetition of all", LADDER, "if steps[repetition.step].offset == offset:", "if True:"),
    Mutation("a stranger's report stops the clock", INCIDENT, "if item.entry.is_foreign or item.report.form", "if item.report.form"),
    Mutation("a stranger may close and withdraw", BATCH, "if command.kind is not CommandKind.FILED:\n                message", "if False:\n                message"),
    Mutation("awareness moves the statutory deadline", INCIDENT, "clock.aware_due_at = due_at(obligation, moved, edition.zone)", "clock.aware_due_at = clock.due_at = due_at(obligation, moved, edition.zone)"),
    Mutation("awareness before the occurrence counts", INCIDENT, "aware_at < occurred.earliest:", "aware_at < occurred.earliest - 9 * FUTURE_TOLERANCE * 100:"),
    Mutation("the latest edition is used for every incident", BATCH, "edition, is_in_force = schedule.edition_in_force(at)", "edition, is_in_force = schedule.editions[-1], True"),
    Mutation("a month is thirty days", CLOCKS, "local = _add_months(local, span.months) + timedelta(days=span.days)", "local = local + timedelta(days=span.days + 30 * span.months)"),
    Mutation("a duty that waits for a report waits for its deadline instead", INCIDENT, "early[SUBMITTED + obligation.id] = clock.met_at or due", "early[SUBMITTED + obligation.id] = due"),
    Mutation("of two bounds the earlier counts where the later should", CLOCKS, "else max(dues)", "else min(dues)"),
    Mutation("a guard is not looked at", INCIDENT, "if not obligation.guard.holds(view.facts):", "if False:"),
    Mutation("a duty without a number in the rule is breached", CLOCK, "and not self.obligation.soft\n            and not self.is_met_in_time", "and not self.is_met_in_time"),
    Mutation("an undeclared element passes", INCIDENT, "if reading.is_declared(element)}", "}"),
    Mutation("elements of the first report alone count", INCIDENT, "said.update(item.report.elements)", "said = said or dict(item.report.elements)"),
    Mutation("the broker's word is taken without its margin", FENCE, "MARGIN = timedelta(milliseconds=50)", "MARGIN = timedelta(milliseconds=0)"),
    Mutation("an unreachable broker is not waited for", FENCE, "UNREACHABLE = timedelta(seconds=1)", "UNREACHABLE = timedelta(seconds=0)"),
    Mutation("messages that are delivered and unacknowledged count as read", "reporter/bus.py", "return not self.unread and not self.unacknowledged", "return not self.unread"),
    Mutation("messages that nobody was handed yet count as read", "reporter/bus.py", "return not self.unread and not self.unacknowledged", "return not self.unacknowledged"),
    Mutation("the fence is satisfied one message too early", FENCE, "if oldest.last > standing.floor and", "if oldest.last > standing.floor + 1 and"),
    Mutation("judging does not wait for the broker's word", "reporter/core/decide.py", "if clock.needs_breach(incident.withdrawn_at) and clock.due_at <= judged_through:", "if clock.needs_breach(incident.withdrawn_at) and clock.due_at <= now:"),
    Mutation("reminders wait for the broker's word", LADDER, "limit = reminded_to if step.offset < ZERO else judged_to\n        if at > limit:", "limit = judged_to\n        if at > limit:"),
    Mutation("the alarm is not set to reminders", CLOCK, "self.remind_at, self.judge_at = remind_at,", "self.remind_at, self.judge_at = None,"),
    Mutation("what a step has reached is not kept across a restart", ROWS, "        ladder.position,\n        ladder.top,", "        0,\n        ladder.top,"),
    Mutation("repetitions are not kept across a restart", ROWS, "[[r.step, r.count, r.next_at and micros(r.next_at)] for r in ladder.repetitions]", "[]"),
    Mutation("another engine finds a fired step unfired", INCIDENTS, "clocks = [ticked_row(tracked.id, clock) for tracked in ticked for clock in tracked.clocks]", "clocks = [ticked_row(tracked.id, clock) for tracked in ticked for clock in tracked.clocks if not clock.has_standing_breach]"),
    Mutation("a line reaches the ledger and never the bus", INCIDENTS, "        for line in tracked.lines\n    ]\n    await insert_rows(connection, OUTBOX", "        for line in tracked.lines[:1]\n    ]\n    await insert_rows(connection, OUTBOX"),
    Mutation("a message is acknowledged although its commit failed", "reporter/intake/arrival.py", "outcomes = await submit(gate, [item.command for item in readable if item.command is not None])", "try:\n        outcomes = await submit(gate, [item.command for item in readable if item.command is not None])\n    except OperationalError:\n        outcomes = [Outcome(OutcomeKind.DUPLICATE) for _ in readable]"),
    Mutation("an identity counts as taken before its commit", BATCH, "seen = await inbox.load_seen(self.connection, [command.key for command in commands])", 'seen = await inbox.load_seen(self.connection, [command.key for command in commands])\n        seen |= inbox.__dict__.setdefault("kept", {})\n        inbox.__dict__["kept"] |= {c.key: inbox.Seen(c.digest, "", ()) for c in commands}'),
    Mutation("what time brought about is written in two transactions", INCIDENTS, "await update_rows(connection, CLOCK, TICKED_COLUMNS, KEY_COLUMNS, clocks)", 'await update_rows(connection, CLOCK, TICKED_COLUMNS, KEY_COLUMNS, clocks)\n    await connection.exec_driver_sql("COMMIT")\n    await connection.exec_driver_sql("BEGIN IMMEDIATE")'),
    Mutation("what a command brought about is written in two transactions", INCIDENTS, "    await save_lines(connection, [work.tracked for work in works], now)", '    await connection.exec_driver_sql("COMMIT")\n    await connection.exec_driver_sql("BEGIN IMMEDIATE")\n    await save_lines(connection, [work.tracked for work in works], now)'),
    Mutation("a held command is forgotten when its incident opens", BATCH, "for aside, command in waiting:\n            await self._apply_held(aside, command)\n        await self._save()\n        return", "await self._save()\n        return"),
    Mutation("nobody on duty is passed over in silence", "reporter/core/roster.py", 'found.setdefault((None, "", DESK, ""), Recipient(to, None, phone, DESK, "", NOBODY))', "pass"),
    Mutation("superiors are not told", "reporter/core/roster.py", 'first = self._tree.superior(unit) if scope == "superior" else unit', "first = unit"),
)


def main() -> int:
    """0: every mutation was noticed. 1: one was not, or does not fit the product any more."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.mutations")
    parser.add_argument("--only", default="", help="mutations whose name holds this")
    parser.add_argument("--seeds", default=SEEDS)
    arguments = parser.parse_args()
    unnoticed = []
    for mutation in (each for each in MUTATIONS if arguments.only in each.name):
        started = time.monotonic()
        found = hunt(mutation, arguments.seeds)
        unnoticed += [] if found else [mutation.name]
        print(f"{time.monotonic() - started:5.0f} s  {found or 'UNNOTICED':<10}  {mutation.name}", flush=True)
    print(f"{len(unnoticed)} unnoticed")
    return 1 if unnoticed else 0


def hunt(mutation: Mutation, seeds: str) -> str:
    """Plays seeds against a broken copy. Returns which one failed, empty if none did."""
    with tempfile.TemporaryDirectory(prefix="reporter-mutation-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
        file = copy / mutation.file
        file.write_text(mutation.applied(file.read_text("utf-8")), "utf-8")
        played = subprocess.run(
            [sys.executable, "-m", "tests.sim", "--seeds", seeds],
            cwd=copy, env={**os.environ, "PYTHONPATH": str(copy)}, capture_output=True, text=True,
            timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    said = [line for line in played.stderr.splitlines() if line.startswith("seed ")]
    if played.returncode and not said:
        raise RuntimeError(f"{mutation.name}: the simulation did not run: {played.stderr[-2000:]}")
    return " ".join(said[-1].split()[:2]) if said else ""


if __name__ == "__main__":
    sys.exit(main())
