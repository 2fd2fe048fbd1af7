"""What a Prometheus scrape sees: every metric of the product, named once, in one registry.

Engine, intake and desk count into these objects; `desk` serves them as OpenMetrics text. Names end in their
unit; labels take few values only (never a unit, a title or an incident: those are unbounded).
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from reporter import __version__

REGISTRY = CollectorRegistry()
CONTENT_TYPE = CONTENT_TYPE_LATEST

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
Info("reporter", "The running version.", registry=REGISTRY).info({"version": __version__})

_SPANS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

# --- the clocks ---------------------------------------------------------------------------------------------


class _Spans(Collector):
    """A histogram of spans that takes many equal ones at once: of a burst thousands are."""

    def __init__(self, name: str, documentation: str) -> None:
        self._name = name
        self._documentation = documentation
        self._counts = [0] * (len(_SPANS_S) + 1)
        self._sum_s = 0.0

    def observe(self, span_s: float, count: int = 1) -> None:
        """Counts that many spans of so many seconds."""
        self._counts[bisect_left(_SPANS_S, span_s)] += count
        self._sum_s += span_s * count

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What a scrape sees."""
        bounds = [*map(floatToGoString, _SPANS_S), "+Inf"]
        buckets = [*zip(bounds, accumulate(self._counts), strict=True)]
        yield HistogramMetricFamily(self._name, self._documentation, buckets=buckets, sum_value=self._sum_s)


BREACH_LATENESS = _Spans(
    "reporter_breach_lateness_seconds", "From the due instant of a clock to the commit of its breach."
)
REGISTRY.register(BREACH_LATENESS)
STEPS_FIRED = Counter(
    "reporter_steps_fired_total", "Ladder steps recorded, by reason.", ["reason"], registry=REGISTRY
)
CLOCK_OVERDUE_OLDEST = Gauge(
    "reporter_clock_overdue_oldest_seconds",
    "How long the oldest alarm that has not been handled has been past; 0 when there is none.",
    registry=REGISTRY,
)
BACKLOG_WAIT = Gauge(
    "reporter_backlog_wait_seconds",
    "How long judging has been waiting for messages that the broker stored earlier; 0 when it is not.",
    registry=REGISTRY,
)

UNDECIDED_OLDEST = Gauge(
    "reporter_undecided_oldest_seconds",
    "By the self-audit, which asks the table and not the doorbell: how long the oldest due instant of any clock "
    "has been undecided; 0 when there is none.",
    registry=REGISTRY,
)
SELF_AUDITS = Counter(
    "reporter_self_audits_total",
    "Self-audits that were completed: a count that stands still is an alarm.",
    registry=REGISTRY,
)
CLOCK_JUMPS = Counter(
    "reporter_clock_jumps_total",
    "Times the machine's clock moved by more than 2 s beside the time that passed.",
    registry=REGISTRY,
)
STANDSTILLS = Counter(
    "reporter_standstills_total",
    "Times the process did nothing for more than 5 s: stopped, or starved.",
    registry=REGISTRY,
)
CLOCK_SKEW = Gauge(
    "reporter_clock_skew_seconds",
    "The broker's clock less ours, by the quickest of its newest answers; 0 when not known.",
    registry=REGISTRY,
)

TROUBLE = Gauge(
    "reporter_trouble",
    "1 while this ails the service, by the code of the trouble that the board shows.",
    ["code"],
    registry=REGISTRY,
)

# --- the way in ---------------------------------------------------------------------------------------------

INTAKE_MESSAGES = Counter(
    "reporter_intake_messages_total",
    "Messages taken from the bus, by outcome: accepted, duplicate, held, rejected.",
    ["outcome"],
    registry=REGISTRY,
)
INTAKE_LATENCY = Histogram(
    "reporter_intake_latency_seconds",
    "From the broker's stored timestamp of a message to the commit of its command.",
    buckets=_SPANS_S,
    registry=REGISTRY,
)
INTAKE_RESTARTS = Counter(
    "reporter_intake_restarts_total",
    "Times the intake's loop was started anew, by reason: silence, broker, error.",
    ["reason"],
    registry=REGISTRY,
)
COMMANDS = Counter(
    "reporter_commands_total",
    "Commands through the gate, by kind and outcome, from every door.",
    ["kind", "outcome"],
    registry=REGISTRY,
)
BATCH_SIZE = Histogram(
    "reporter_gate_batch_commands",
    "Commands committed in one transaction.",
    buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1000),
    registry=REGISTRY,
)
COMMIT_SPAN = Histogram(
    "reporter_gate_commit_seconds",
    "One transaction of the gate, from its beginning to its commit.",
    buckets=_SPANS_S,
    registry=REGISTRY,
)
TRANSACTIONS_AGAIN = Counter(
    "reporter_gate_transactions_again_total",
    "Transactions run anew because they lost to another replica or their connection was cut.",
    registry=REGISTRY,
)

# --- the way out --------------------------------------------------------------------------------------------

OUTBOX_ROWS = Gauge("reporter_outbox_rows", "Facts not yet published.", registry=REGISTRY)
PUBLISHED = Counter("reporter_published_total", "Facts the broker has acknowledged.", registry=REGISTRY)
SEALS = Counter("reporter_seals_total", "Seals made over the ledger by this process.", registry=REGISTRY)
NOTICES = Counter(
    "reporter_notices_total",
    "Attempts to send a notice, by channel and the state it left the notice in.",
    ["channel", "state"],
    registry=REGISTRY,
)
BROKER_CONNECTED = Gauge(
    "reporter_broker_connected", "1 while the broker is connected, else 0.", registry=REGISTRY
)

BROKER_RENEWALS = Counter(
    "reporter_broker_renewals_total",
    "Times a connection to the broker was given up and made anew from scratch.",
    registry=REGISTRY,
)
EMBEDDED_RESTARTS = Counter(
    "reporter_embedded_broker_restarts_total",
    "Times the embedded broker ended by itself and was started again.",
    registry=REGISTRY,
)
DATABASE_FAILURES = Counter(
    "reporter_database_write_failures_total",
    "Write transactions that the database did not take, by reason: locked, full, read_only, lost, other.",
    ["reason"],
    registry=REGISTRY,
)

DEAD_MAN_CALLS = Counter(
    "reporter_dead_man_calls_total",
    "Calls of the dead man's switch, by what became of them: answered, failed.",
    ["outcome"],
    registry=REGISTRY,
)

# --- the desk -----------------------------------------------------------------------------------------------

HTTP_REQUESTS = Counter(
    "reporter_http_requests_total",
    "HTTP requests answered, by method, route template and status.",
    ["method", "route", "status"],
    registry=REGISTRY,
)
HTTP_SPAN = Histogram(
    "reporter_http_request_seconds",
    "From the arrival of a request to the end of its answer.",
    ["route"],
    buckets=_SPANS_S,
    registry=REGISTRY,
)
AUTH_FAILURES = Counter(
    "reporter_auth_failures_total", "Requests with a token nobody has.", registry=REGISTRY
)


def exposition() -> bytes:
    """Everything as OpenMetrics 1.0 text, to be served as `CONTENT_TYPE`."""
    text: bytes = generate_latest(REGISTRY)  # type: ignore[no-untyped-call]  # the package has no types there
    return text
