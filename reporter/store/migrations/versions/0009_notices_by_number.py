"""Notices are found by their incident's number, and on SQLite lie in the order in which they were written.

By the incident's id they were scattered: a commit of thousands wrote four times as many pages.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

NUMBER = "(SELECT incidents.number FROM incidents WHERE incidents.id = notices.incident_id)"


def upgrade() -> None:
    """Gives each notice its incident's number; on SQLite the table is made anew."""
    if op.get_bind().dialect.name == "sqlite":
        _remake([sa.Column("number", sa.BigInteger(), nullable=True)], NUMBER)
    else:
        op.drop_index("ix_notices_incident_id", "notices")
        op.add_column("notices", sa.Column("number", sa.BigInteger(), nullable=True))
        op.execute(f"UPDATE notices SET number = {NUMBER} WHERE incident_id IS NOT NULL")  # noqa: S608 - ours
    op.create_index("ix_notices_number", "notices", ["number"])


def downgrade() -> None:
    """Takes the number away again."""
    op.drop_index("ix_notices_number", "notices")
    if op.get_bind().dialect.name == "sqlite":
        _remake([], None, sqlite_with_rowid=False)
    else:
        op.drop_column("notices", "number")
    op.create_index("ix_notices_incident_id", "notices", ["incident_id"])


COLUMNS = (
    ("incident_id", sa.String(length=36), True),
    ("unit", sa.Text(), False),
    ("mode", sa.Text(), False),
    ("obligation", sa.Text(), True),
    ("step", sa.Text(), True),
    ("repeat", sa.Integer(), False),
    ("reason", sa.Text(), False),
    ("to_role", sa.Text(), False),
    ("person", sa.Text(), True),
    ("phone", sa.Text(), True),
    ("channel", sa.Text(), False),
    ("address", sa.Text(), False),
    ("state", sa.Text(), False),
    ("due_at", sa.BigInteger(), True),
    ("recorded_at", sa.BigInteger(), False),
    ("attempts", sa.Integer(), False),
    ("note", sa.Text(), True),
    ("next_try_at", sa.BigInteger(), True),
)


def _remake(added: list[sa.Column[int]], value: str | None, **options: bool) -> None:
    """Makes SQLite's table anew, with `added` filled with `value`, and its rows in the order of their ids."""
    op.create_table(
        "notices_anew",
        sa.Column("id", sa.String(length=36), nullable=False),
        *added,
        *(sa.Column(name, kind, nullable=is_nullable) for name, kind, is_nullable in COLUMNS),
        sa.Column("turn", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("rank", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        **options,
    )
    kept = ", ".join(["id", *(name for name, _, _ in COLUMNS), "turn", "rank"])
    into, values = (f"{kept}, number", f"{kept}, {value}") if added else (kept, kept)
    op.execute(f"INSERT INTO notices_anew ({into}) SELECT {values} FROM notices ORDER BY id")  # noqa: S608
    op.drop_table("notices")
    op.rename_table("notices_anew", "notices")
    op.create_index(
        "ix_notices_waiting",
        "notices",
        ["channel", "rank", "next_try_at"],
        sqlite_where=sa.text("next_try_at IS NOT NULL"),
    )
