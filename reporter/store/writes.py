"""How writing goes: whether the database takes what is written, and since when it does not.

A database may be readable and yet take nothing: the disk is full, another program holds the lock, the server is being
restarted. Nothing is lost by it, since nothing is acknowledged before its commit; but somebody has to be told.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from reporter import metrics

WAIT_S_MAX = 3.0
"""A writer that waits for longer although no other of ours is writing waits for somebody else's lock."""
RETRIED_STATES = ("40001", "40P01")
"""PostgreSQL's words for a transaction that lost to another one: it is tried again, and no trouble of the database."""
_SAYINGS = (
    ("locked", ("locked", "lock timeout", "lock_timeout")),
    ("full", ("full", "no space", "disk i/o error")),
    ("read_only", ("readonly", "read-only")),
    ("lost", ("connection", "closed", "terminat", "starting up", "shutting down")),
)


class Writes:
    """What has become of the write transactions of one process."""

    def __init__(self) -> None:
        self._waiting = 0
        self._writing = 0
        self._waiting_alone_s = 0.0
        self._failing_s: float | None = None
        self._reason = ""

    @contextmanager
    def one(self) -> Iterator["_One"]:
        """One write transaction, from before it waits for its turn to after its commit."""
        each = _One(self)
        each.wait()
        try:
            yield each
        except DBAPIError as error:
            self._note(error)
            raise
        except PoolTimeout as error:
            # Said as what it is to all who write: the database cannot be used now, and what they hold is still good.
            said = OperationalError(None, None, error)
            self._note(said)
            raise said from error
        else:
            self._failing_s, self._reason = None, ""
        finally:
            each.end()

    @property
    def reason(self) -> str | None:
        """Why nothing can be written just now: locked, full, read_only, lost, other; None when all is well."""
        if self._failing_s is not None:
            return self._reason
        return "locked" if self._kept_waiting_s > WAIT_S_MAX else None

    @property
    def failing_for_s(self) -> float:
        """Seconds since nothing could be written any more; 0 when all is well."""
        if self.reason is None:
            return 0.0
        failing_s = 0.0 if self._failing_s is None else monotonic() - self._failing_s
        return max(failing_s, self._kept_waiting_s)

    @property
    def is_failing(self) -> bool:
        """Whether the last write that was tried to its end failed."""
        return self._failing_s is not None

    @property
    def needs_probe(self) -> bool:
        """Whether the last write failed and nobody is trying again: only a write can tell that all is well."""
        return self._failing_s is not None and not self._waiting and not self._writing

    @property
    def _kept_waiting_s(self) -> float:
        return monotonic() - self._waiting_alone_s if self._waiting and not self._writing else 0.0

    def _note(self, error: DBAPIError) -> None:
        reason = why(error)
        if reason is None:
            return
        metrics.DATABASE_FAILURES.labels(reason).inc()
        if self._failing_s is None:
            self._failing_s = monotonic() - self._kept_waiting_s
        self._reason = reason


class _One:
    """Where one transaction stands."""

    def __init__(self, writes: Writes) -> None:
        self._writes = writes
        self._is_writing = False

    def wait(self) -> None:
        """It waits for its turn and for the lock."""
        if not self._writes._waiting:
            self._writes._waiting_alone_s = monotonic()
        self._writes._waiting += 1

    def begin(self) -> None:
        """It has the lock."""
        self._is_writing = True
        self._writes._waiting -= 1
        self._writes._writing += 1

    def end(self) -> None:
        """It is over, one way or the other."""
        if self._is_writing:
            self._writes._writing -= 1
        else:
            self._writes._waiting -= 1
        self._writes._waiting_alone_s = monotonic()


def why(error: DBAPIError) -> str | None:
    """What ails the database in one word; None where the error is one of the statement."""
    if isinstance(error, IntegrityError) or not isinstance(
        error, OperationalError | InterfaceError | InternalError
    ):
        return None
    if getattr(error.orig, "sqlstate", None) in RETRIED_STATES:
        return None
    if isinstance(error.orig, PoolTimeout):
        return "locked"
    said = str(error.orig).lower()
    return next((reason for reason, words in _SAYINGS if any(word in said for word in words)), "other")
