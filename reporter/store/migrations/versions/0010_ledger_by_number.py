"""Ledger lines are found by their incident's number: by its id those of one commit were scattered over the index.

Lines whose incident is gone, which `ledger verify` tells of, get numbers below zero.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

NUMBERED = (
    "SELECT COALESCE(incidents.number, -DENSE_RANK() OVER (ORDER BY ledger.incident_id)) AS number, ledger.* "
    "FROM ledger LEFT JOIN incidents ON incidents.id = ledger.incident_id"
)
GUARDS = tuple(
    f"CREATE TRIGGER ledger_no_{change} BEFORE {change.upper()} ON ledger "
    "BEGIN SELECT RAISE(ABORT, 'ledger is append-only'); END"
    for change in ("update", "delete")
)
NUMBER_OF_OUTBOX = "(SELECT incidents.number FROM incidents WHERE incidents.id = outbox.incident_id)"


def upgrade() -> None:
    """Gives each line its incident's number; on SQLite the table is made anew."""
    if op.get_bind().dialect.name == "sqlite":
        _remake(
            [sa.Column("number", sa.BigInteger(), nullable=False)],
            ["number", "version"],
            f"SELECT number, version, incident_id, kind, text, hash FROM ({NUMBERED}) ORDER BY number, version",  # noqa: S608 - ours
        )
    else:
        op.execute("ALTER TABLE ledger DISABLE TRIGGER USER")
        op.add_column("ledger", sa.Column("number", sa.BigInteger(), nullable=True))
        op.execute(
            f"UPDATE ledger SET number = known.number FROM ({NUMBERED.replace('ledger.*', _LINE)}) AS known "  # noqa: S608
            "WHERE known.incident_id = ledger.incident_id AND known.version = ledger.version"
        )
        op.execute("ALTER TABLE ledger ENABLE TRIGGER USER")
        op.alter_column("ledger", "number", nullable=False)
        op.drop_constraint("pk_ledger", "ledger")
        op.create_primary_key("pk_ledger", "ledger", ["number", "version"])
    op.add_column("outbox", sa.Column("number", sa.BigInteger(), nullable=True))
    op.execute(f"UPDATE outbox SET number = {NUMBER_OF_OUTBOX} WHERE version IS NOT NULL")  # noqa: S608


def downgrade() -> None:
    """Takes the numbers away again."""
    op.drop_column("outbox", "number")
    if op.get_bind().dialect.name == "sqlite":
        _remake(
            [],
            ["incident_id", "version"],
            "SELECT version, incident_id, kind, text, hash FROM ledger ORDER BY incident_id, version",
        )
    else:
        op.drop_constraint("pk_ledger", "ledger")
        op.create_primary_key("pk_ledger", "ledger", ["incident_id", "version"])
        op.drop_column("ledger", "number")


_LINE = "ledger.incident_id, ledger.version"


def _remake(added: list[sa.Column[int]], key: list[str], lines: str) -> None:
    """Makes SQLite's table anew from those lines, guarded as before."""
    op.create_table(
        "ledger_anew",
        *added,
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint(*key, name="pk_ledger"),
    )
    op.execute(f"INSERT INTO ledger_anew {lines}")
    op.drop_table("ledger")
    op.rename_table("ledger_anew", "ledger")
    for guard in GUARDS:
        op.execute(guard)
