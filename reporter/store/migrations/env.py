"""What Alembic runs around the migrations: it works on the connection that `migrations.up` hands over.

Transaction, lock and timeouts are that connection's; see `reporter.store.schema`.
"""

from alembic import context

from reporter.store.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
