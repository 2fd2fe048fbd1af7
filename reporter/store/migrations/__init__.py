"""Runs Alembic on a connection that is open already. Importing this imports Alembic, which takes a second.

To change the schema:

1. Change `store/models/`.
2. Run `pytest tests/contract/test_migrations.py`: it prints the operations that lead from the newest
   migration to the models. A trigger belongs into `schema.py` too.
3. Put them into `versions/NNNN_<what>.py` (the next number, `down_revision` the one before), with a
   `downgrade`, and set `schema.REVISION`. Until the first release a change of a table is made where the
   table is made, one file a subject.

A migration says everything itself and imports nothing of ours: it has to do in a year what it does today.
While replicas of the version before may still run it only adds (nullable columns, tables, indexes); what is
to go goes a release later. SQLite can alter little more than that: rebuilding a table would need
`foreign_keys` off, which cannot be switched within a transaction, and would lose the ledger's triggers.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

FOLDER = Path(__file__).parent
VERSIONS = [FOLDER / "versions"]
"""The folders that hold migrations."""


def revisions() -> list[str]:
    """Every revision, the newest first."""
    return [script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()]


def up(connection: Connection) -> None:
    """Runs the next migration within the connection's transaction, or does nothing at the newest."""
    command.upgrade(config(connection), "+1")


def config(connection: Connection | None = None) -> Config:
    """What Alembic's commands are told. Those that look at a database need the connection."""
    made = Config(attributes={"connection": connection})
    for name, value in {
        "script_location": str(FOLDER),
        "path_separator": "newline",
        "version_locations": "\n".join(map(str, VERSIONS)),
    }.items():
        made.set_main_option(name, value.replace("%", "%%"))  # it interpolates
    return made
