"""Rosters with a history: changes, handover times, gaps, calendar links, roll-calls."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

GROWING = ("roster_changes", "handover_times", "roll_calls")
SHIFT = (
    "id",
    "unit",
    "role",
    "starts_at",
    "ends_at",
    "person",
    "phone",
    "channels",
    "recorded_at",
    "recorded_by",
)


def upgrade() -> None:
    """Makes the tables, and the triggers that keep their history."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "roster_changes",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cancels", number, nullable=True),
        sa.Column("unit", sa.String(length=64), nullable=False),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("taker", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("channels", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_roster_changes"),
        sa.UniqueConstraint("cancels", name="uq_roster_changes_cancels"),
        sa.UniqueConstraint("key", name="uq_roster_changes_key"),
    )
    op.create_index("ix_roster_changes_ends_at", "roster_changes", ["ends_at"])
    op.create_table(
        "handover_times",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=False),
        sa.Column("times", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_handover_times"),
    )
    op.create_table(
        "roster_gaps",
        sa.Column("unit", sa.String(length=64), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("noticed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("unit", "role", "starts_at", name="pk_roster_gaps"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "roster_feeds",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_roster_feeds"),
        sa.UniqueConstraint("secret_hash", name="uq_roster_feeds_secret_hash"),
    )
    op.create_table(
        "roll_calls",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("called_at", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("is_answered", sa.Boolean(), nullable=False),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.Column("answered_after_s", sa.Integer(), nullable=True),
        sa.Column("is_leader_present", sa.Boolean(), nullable=True),
        sa.Column("is_log_current", sa.Boolean(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_roll_calls"),
        sa.UniqueConstraint("key", name="uq_roll_calls_key"),
    )
    op.create_index("ix_roll_calls_called_at", "roll_calls", ["called_at", "id"])
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
    changed = " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in SHIFT)
    op.execute(
        "CREATE TRIGGER roster_no_delete BEFORE DELETE ON roster BEGIN SELECT RAISE(ABORT, 'roster is history'); END"
    )
    op.execute(
        "CREATE TRIGGER roster_replaced_once BEFORE UPDATE ON roster "
        f"WHEN OLD.replaced_at IS NOT NULL OR NEW.replaced_at IS NULL OR {changed} "
        "BEGIN SELECT RAISE(ABORT, 'roster is history'); END"
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
    same = " AND ".join(f"NEW.{name} IS NOT DISTINCT FROM OLD.{name}" for name in SHIFT)
    op.execute(
        "CREATE FUNCTION roster_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF TG_OP = 'UPDATE' THEN IF OLD.replaced_at IS NULL AND NEW.replaced_at IS NOT NULL "
        f"AND {same} THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION 'roster is history'; END $$"
    )
    op.execute(
        "CREATE TRIGGER roster_replaced_once BEFORE UPDATE OR DELETE ON roster "
        "FOR EACH ROW EXECUTE FUNCTION roster_refuse()"
    )
    for table in (*GROWING, "roster"):
        op.execute(
            f"CREATE TRIGGER {table}_not_emptied BEFORE TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()"
        )


def downgrade() -> None:
    """Removes the tables and the triggers on what stays."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if is_sqlite:
        op.execute("DROP TRIGGER roster_no_delete")
        op.execute("DROP TRIGGER roster_replaced_once")
    else:
        op.execute("DROP TRIGGER roster_replaced_once ON roster")
        op.execute("DROP TRIGGER roster_not_emptied ON roster")
    for table in ("roll_calls", "roster_feeds", "roster_gaps", "handover_times", "roster_changes"):
        op.drop_table(table)
    if not is_sqlite:
        for table in (*GROWING, "roster"):
            op.execute(f"DROP FUNCTION {table}_refuse()")
