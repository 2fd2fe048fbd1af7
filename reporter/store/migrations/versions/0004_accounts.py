"""Accounts of people, their sessions, the setup link, restricted incidents, the desk's log."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Makes the tables, and the triggers that let the log only grow."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("login_key", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("must_change", sa.Boolean(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("login_key", name="uq_accounts_login_key"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("token_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("secret_hash", name="uq_sessions_secret_hash"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_sessions_account_id_accounts"),
        sa.ForeignKeyConstraint(["token_id"], ["tokens.id"], name="fk_sessions_token_id_tokens"),
    )
    op.create_index("ix_sessions_account", "sessions", ["account_id", "id"])
    op.create_table(
        "setup_keys",
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key_hash", name="pk_setup_keys"),
    )
    op.create_table(
        "restricted",
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("incident_id", name="pk_restricted"),
    )
    op.create_table(
        "desk_log",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=True),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_desk_log"),
    )
    op.create_index("ix_desk_log_what", "desk_log", ["what", "id"])
    op.create_index("ix_desk_log_about", "desk_log", ["about", "id"])

    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER desk_log_no_update BEFORE UPDATE ON desk_log "
            "BEGIN SELECT RAISE(ABORT, 'desk_log is append-only'); END"
        )
        op.execute(
            "CREATE TRIGGER desk_log_no_delete BEFORE DELETE ON desk_log "
            "BEGIN SELECT RAISE(ABORT, 'desk_log is append-only'); END"
        )
    else:
        op.execute(
            "CREATE FUNCTION desk_log_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'desk_log is append-only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER desk_log_append_only BEFORE UPDATE OR DELETE ON desk_log "
            "FOR EACH ROW EXECUTE FUNCTION desk_log_refuse()"
        )
        op.execute(
            "CREATE TRIGGER desk_log_not_emptied BEFORE TRUNCATE ON desk_log "
            "FOR EACH STATEMENT EXECUTE FUNCTION desk_log_refuse()"
        )


def downgrade() -> None:
    """Removes them; indexes and triggers go with their tables."""
    op.drop_table("desk_log")
    op.drop_table("restricted")
    op.drop_table("setup_keys")
    op.drop_table("sessions")
    op.drop_table("accounts")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION desk_log_refuse()")
