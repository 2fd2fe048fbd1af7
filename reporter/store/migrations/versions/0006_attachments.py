"""What was handed in with reports, in a table that only grows."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Makes the table, and the triggers that let it only grow."""
    op.create_table(
        "attachments",
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("bytes_count", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("incident_id", "sha256", name="pk_attachments"),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER attachments_no_{verb.lower()} BEFORE {verb} ON attachments "
                "BEGIN SELECT RAISE(ABORT, 'attachments is append-only'); END"
            )
    else:
        op.execute(
            "CREATE FUNCTION attachments_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'attachments is append-only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER attachments_append_only BEFORE UPDATE OR DELETE ON attachments "
            "FOR EACH ROW EXECUTE FUNCTION attachments_refuse()"
        )
        op.execute(
            "CREATE TRIGGER attachments_not_emptied BEFORE TRUNCATE ON attachments "
            "FOR EACH STATEMENT EXECUTE FUNCTION attachments_refuse()"
        )


def downgrade() -> None:
    """Removes the table; the files stay where they are, and reports still name them by their SHA-256."""
    op.drop_table("attachments")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION attachments_refuse()")
