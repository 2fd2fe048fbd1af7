"""What a database's error means: worth another transaction at once, or no use until the database is back.

Everything else is a fault of ours, and is let through.
"""

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

LOST_TO_ANOTHER = frozenset({"40001", "40P01", "55P03"})
"""SQLSTATE of PostgreSQL: serialization failure, deadlock, a lock that was not to be had in time."""
CUT_OFF = frozenset({"57P01", "57P02", "08000", "08003", "08006"})
"""SQLSTATE of PostgreSQL: the server ended this session, or the connection is gone."""


def is_worth_another(error: BaseException) -> bool:
    """Whether the same transaction may well succeed at once, from what is there now.

    It lost to another one (a unique key was taken, a deadlock, a lock held too long), or its connection was cut;
    then nobody knows whether it was committed, and it must be one that may be run twice.
    """
    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error, IntegrityError) or error.connection_invalidated:
        return True
    return getattr(error.orig, "sqlstate", None) in LOST_TO_ANOTHER | CUT_OFF


def is_database_trouble(error: BaseException) -> bool:
    """Whether the database, not what was asked of it, is at fault: away, locked, full, read-only, all in use."""
    return isinstance(error, OperationalError | InterfaceError | InternalError | PoolTimeout)
