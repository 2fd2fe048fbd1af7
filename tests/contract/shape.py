"""What a database is and holds, in a form that two databases, or one before and after, can be compared in."""

import re
from typing import Any  # what reflection finds, and columns of rows

from sqlalchemy import Connection, inspect, text

from reporter.store.database import Database
from reporter.store.models import Base


async def shape(database: Database) -> dict[str, Any]:
    """Everything the database knows of its schema, whatever the order of columns and the layout."""
    async with database.snapshot() as connection:
        return await connection.run_sync(_shape)


def _shape(connection: Connection) -> dict[str, Any]:
    inspector = inspect(connection)
    found: dict[str, Any] = {}
    for table in inspector.get_table_names():
        columns = [column | {"type": str(column["type"])} for column in inspector.get_columns(table)]
        found[table] = {
            "columns": sorted(columns, key=lambda column: str(column["name"])),
            "primary key": inspector.get_pk_constraint(table),
            "foreign keys": inspector.get_foreign_keys(table),
            "unique": sorted(inspector.get_unique_constraints(table), key=str),
            "checks": inspector.get_check_constraints(table),
        }
    for kind, name, words in connection.execute(text(DEFINITIONS[connection.dialect.name])):
        found[f"{kind} {name}"] = re.sub(r"\s+", " ", str(words))
    return found


DEFINITIONS = {
    "sqlite": """
        SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger', 'view')
        UNION ALL SELECT 'options', name, 'without rowid ' || wr || ', strict ' || strict
            FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'
        UNION ALL SELECT 'autoincrement', name, '' FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'
    """,
    "postgresql": """
        SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
            WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT 'function', proname, pg_get_functiondef(oid) FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'sequence', sequencename, data_type::text FROM pg_sequences
    """,
}


async def rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    """What is in every table of ours, in the columns that the models know."""
    async with database.snapshot() as connection:
        return {
            table.name: sorted(
                [dict(row) for row in (await connection.execute(table.select())).mappings()], key=str
            )
            for table in Base.metadata.sorted_tables
        }
