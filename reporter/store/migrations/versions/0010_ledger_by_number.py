"""Ledger lines are found by their incident's number: by its id those of one commit were scattered over the index.

Lines whose incident is gone, which `ledger verify` tells of, get numbers below zero.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

GONE = "NOT EXISTS (SELECT 1 FROM incidents WHERE incidents.id = ledger.incident_id)"
NUMBER_OF_GONE = "-DENSE_RANK() OVER (ORDER BY ledger.incident_id)"
NUMBERS_OF_OUTBOX = (
    "(SELECT incidents.number FROM incidents WHERE incidents.id = outbox.incident_id)",
    "(SELECT min(ledger.number) FROM ledger WHERE ledger.incident_id = outbox.incident_id)",
)
GUARDS = tuple(
    f"CREATE TRIGGER ledger_no_{change} BEFORE {change.upper()} ON ledger "
    "BEGIN SELECT RAISE(ABORT, 'ledger is append-only'); END"
    for change in ("update", "delete")
)


def upgrade() -> None:
    """Gives each line its incident's number; on SQLite the table is made anew."""
    if op.get_bind().dialect.name == "sqlite":
        _remake(
            [sa.Column("number", sa.BigInteger(), nullable=False)],
            ["number", "version"],
            # Incident by incident, so that nothing is sorted in memory.
            "SELECT incidents.number, ledger.version, incident_id, kind, text, hash FROM incidents "
            "CROSS JOIN ledger ON ledger.incident_id = incidents.id ORDER BY incidents.number, ledger.version",
            f"SELECT {NUMBER_OF_GONE}, version, incident_id, kind, text, hash FROM ledger WHERE {GONE}",  # noqa: S608
        )
    else:
        op.execute("ALTER TABLE ledger DISABLE TRIGGER USER")
        op.add_column("ledger", sa.Column("number", sa.BigInteger(), nullable=True))
        op.execute(
            "UPDATE ledger SET number = incidents.number FROM incidents WHERE incidents.id = ledger.incident_id"
        )
        op.execute(
            "UPDATE ledger SET number = gone.number FROM "  # noqa: S608
            f"(SELECT incident_id, version, {NUMBER_OF_GONE} AS number FROM ledger WHERE {GONE}) AS gone "
            "WHERE gone.incident_id = ledger.incident_id AND gone.version = ledger.version"
        )
        op.execute("ALTER TABLE ledger ENABLE TRIGGER USER")
        op.alter_column("ledger", "number", nullable=False)
        op.drop_constraint("pk_ledger", "ledger")
        op.create_primary_key("pk_ledger", "ledger", ["number", "version"])
    op.add_column("outbox", sa.Column("number", sa.BigInteger(), nullable=True))
    for number in NUMBERS_OF_OUTBOX:
        op.execute(f"UPDATE outbox SET number = {number} WHERE version IS NOT NULL AND number IS NULL")  # noqa: S608


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


def _remake(added: list[sa.Column[int]], key: list[str], *lines: str) -> None:
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
    columns = ", ".join([*(each.name for each in added), "version", "incident_id", "kind", "text", "hash"])
    for part in lines:
        op.execute(f"INSERT INTO ledger_anew ({columns}) {part}")
    op.drop_table("ledger")
    op.rename_table("ledger_anew", "ledger")
    for guard in GUARDS:
        op.execute(guard)
