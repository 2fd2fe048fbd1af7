"""Logging: structlog over the standard library, JSON lines or readable ones, always to stderr."""

import logging
import sys

import structlog


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
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("apscheduler", "httpx", "httpcore", "uvicorn", "nats", "faststream", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
