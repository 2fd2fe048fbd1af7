"""What a viewer sees of the demo: a live board on a terminal, plain lines elsewhere."""

import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any  # Any: documents of the API are JSON
from zoneinfo import ZoneInfo

from reporter.core.plain import recipient_words, step_words
from reporter.core.terms import ClockState, NoticeReason, Verdict, label

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

Document = dict[str, Any]
STORY_LINES = 5
NOTICES_SHOWN = 5


@dataclass
class DemoView:
    """The demo's screen. `board`, `notices` and `audit` render the API's documents; they are the CLI's own.

    `is_live`: redraw a terminal; else write a line per thing that happens: to stdout, or to stderr where
    `ready` is given, which then prints the one document on stdout.
    """

    language: str
    is_live: bool
    ready: Callable[[Document], None] | None
    board: "Callable[..., RenderableType]"
    notices: "Callable[..., RenderableType]"
    audit: "Callable[[Document], RenderableType]"
    titles: Mapping[str, str] = field(default_factory=dict)
    zone: str = "Asia/Shanghai"
    _story: deque[str] = field(default_factory=lambda: deque(maxlen=STORY_LINES), init=False)
    _seen: set[str] = field(default_factory=set, init=False)
    _live: "Live | None" = field(default=None, init=False)

    def say(self, zh: str, en: str) -> str:
        """The text in the viewer's language."""
        return zh if self.language == "zh" else en

    def opening(self, document: Document, words: str) -> None:
        """Says where everything is, once the service is ready."""
        if self.ready is not None:
            self.ready(document)
        else:
            self._write(words)
        if self.is_live:
            from rich.live import Live

            self._live = Live(auto_refresh=False, transient=False)
            self._live.start()

    def tell(self, at: datetime, words: str) -> None:
        """One thing that happened at an instant of the demo's time."""
        line = f"{at.astimezone(ZoneInfo(self.zone)):%H:%M:%S} {words}"
        self._story.append(line)
        if not self.is_live:
            self._write(line)

    def show(self, now: datetime, incidents: Sequence[Document]) -> None:
        """The present state."""
        for line in self._news(incidents):
            self.tell(now, line)
        if self._live is not None:
            from rich.console import Group
            from rich.text import Text

            told = Text("\n".join(self._story), style="cyan")
            parts = [self.board(incidents, now, self.language, titles=self.titles, zone=self.zone)]
            parts.append(
                self.notices(
                    incidents, self.language, limit=NOTICES_SHOWN, titles=self.titles, zone=self.zone
                )
            )
            self._live.update(Group(*parts, told), refresh=True)

    def summary(self, audit: Document) -> None:
        """The month's audit, once the incident is over."""
        from rich.console import Console

        file = sys.stderr if self.ready is not None else sys.stdout
        console = self._live.console if self._live is not None else Console(file=file, width=120)
        console.print(self.audit(audit))

    def closing(self, words: str) -> None:
        """Leaves the terminal as it was."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._write(words)

    def _news(self, incidents: Sequence[Document]) -> list[str]:
        """What is new since the last look: clocks judged or breached, and off a terminal the notices too."""
        lines = []
        for incident in incidents:
            for clock in incident["clocks"]:
                title = self.titles.get(clock["obligation"], clock["obligation"])
                verdict, state = clock["verdict"], ClockState(clock["state"])
                stands = label(Verdict(verdict) if verdict else state, self.language)
                key = f"{incident['id']} {clock['obligation']} {stands}"
                if state is not ClockState.RUNNING and self._is_new(key):
                    lines.append(f"⚖ {incident['title']} · {title}: {stands}")
            for notice in incident["notices"]:
                if not self.is_live and self._is_new(notice["id"]):
                    person = notice["person"] or self.say("无人值班", "nobody on duty")
                    obligation = notice["obligation"] or ""
                    step = self.say(*step_words(notice["step"]))
                    what = f"{self.titles.get(obligation, obligation)} {step}".strip()
                    reason = label(NoticeReason(notice["reason"]), self.language)
                    lines.append(f"✉ {reason} {what} → {person} ({self.say(*recipient_words(notice['to']))})")
        return lines

    def _is_new(self, key: str) -> bool:
        is_new = key not in self._seen
        self._seen.add(key)
        return is_new

    def _write(self, words: str) -> None:
        file = sys.stderr if self.ready is not None else sys.stdout
        file.write(words + "\n")
        file.flush()
