"""What incidents are found by: their folded texts, the index of those, and what waits to be indexed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Makes the tables and the index, and queues every incident that is there."""
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "search_entries",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.Column("grams", postgresql.TSVECTOR().with_variant(sa.Text(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_search_entries"),
    )
    op.create_table(
        "search_pending",
        sa.Column("id", serial, autoincrement=True, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_search_pending"),
        sqlite_autoincrement=True,
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE search_index USING fts5(grams, content='', detail='none', tokenize='ascii')"
        )
    else:
        op.create_index("ix_search_entries_grams", "search_entries", ["grams"], postgresql_using="gin")
    op.execute("INSERT INTO search_pending (number) SELECT number FROM incidents ORDER BY number DESC")


def downgrade() -> None:
    """Removes them: all of it can be made anew."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE search_index")
    op.drop_table("search_pending")
    op.drop_table("search_entries")
