"""Alembic runs this; the connection is handed in by worklist.schema."""

from alembic import context

from worklist.models import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
