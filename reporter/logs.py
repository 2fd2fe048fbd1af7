"""Logging: structlog over the standard library, JSON lines or readable ones, always to stderr."""

import logging
import sys
from time import monotonic

import structlog

OUTAGES = frozenset({"OperationalError", "InterfaceError"})
"""Errors of the database itself, not of a statement: their traceback tells nothing, and they come in numbers."""
REPEATED_S = 10.0


class Sparing(logging.Filter):
    """While the database cannot be used, every loop says so at every attempt: in one line, and not each time.

    A log that fills what is left of the disk would be a second trouble.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets a record pass; shortens one about an outage, and drops it if the same was said just before."""
        error = record.exc_info[1] if record.exc_info else None
        if error is None or not _is_outage(error):
            return True
        said_s, now_s = self._said_s.get(record.name), monotonic()
        if said_s is not None and now_s - said_s < REPEATED_S:
            return False
        self._said_s[record.name] = now_s
        record.msg = f"{record.getMessage()}: {' '.join(str(error).split())[:300]}"
        record.args = ()
        record.exc_info = record.exc_text = None
        return True


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_outage(each) for each in error.exceptions)
    return type(error).__name__ in OUTAGES


def configure(level: str, form: str) -> None:
    """Sends every log line to stderr. `form`: json, console, or auto (console on a terminal)."""
    is_console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: structlog.types.Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    if is_console:
        last = structlog.dev.ConsoleRenderer()
    else:
        shared.append(structlog.processors.format_exc_info)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    handler.addFilter(Sparing())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("apscheduler", "httpx", "httpcore", "uvicorn", "nats", "faststream", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
