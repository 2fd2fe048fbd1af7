"""Sending: channels' health, next hops' numbers, keys of our own, rehearsals."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

GROWING = ("rehearsals", "rehearsal_calls", "rehearsal_answers")


def upgrade() -> None:
    """Makes the tables, and the triggers that keep what was rehearsed."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "channel_states",
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("last_success_at", sa.BigInteger(), nullable=True),
        sa.Column("last_failure_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("channel", name="pk_channel_states"),
    )
    op.create_table(
        "provider_ids",
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("provider_id", sa.String(length=160), nullable=False),
        sa.Column("notice_id", sa.String(length=36), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "provider_id", name="pk_provider_ids"),
    )
    op.create_table(
        "signing_keys",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_signing_keys"),
    )
    op.create_table(
        "rehearsals",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=True),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rehearsals"),
        sa.UniqueConstraint("month", name="uq_rehearsals_month"),
    )
    op.create_table(
        "rehearsal_calls",
        sa.Column("rehearsal", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("notice_id", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("rehearsal", "number", name="pk_rehearsal_calls"),
    )
    op.create_index("ix_rehearsal_calls_notice_id", "rehearsal_calls", ["notice_id"])
    op.create_table(
        "rehearsal_answers",
        sa.Column("notice_id", sa.String(length=36), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=False),
        sa.Column("via", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", name="pk_rehearsal_answers"),
    )
    if op.get_bind().dialect.name == "sqlite":
        _keep_on_sqlite()
    else:
        _keep_on_postgresql()


def _keep_on_sqlite() -> None:
    for table in GROWING:
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


def _keep_on_postgresql() -> None:
    for table in GROWING:
        op.execute(
            f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {table}_refuse()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_not_emptied BEFORE TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()"
        )


def downgrade() -> None:
    """Removes the tables."""
    for table in (*reversed(GROWING), "signing_keys", "provider_ids", "channel_states"):
        op.drop_table(table)
    if op.get_bind().dialect.name != "sqlite":
        for table in GROWING:
            op.execute(f"DROP FUNCTION {table}_refuse()")
