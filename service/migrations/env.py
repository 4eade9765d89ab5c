"""Alembic's entry point: run migrations on the connection that `service.migrating` opened.

Lives here: nothing but that call. Not here: settings; there is no alembic.ini.
"""

from alembic import context
from sqlmodel import SQLModel

from service import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,  # SQLite cannot alter columns in place
    compare_type=True,
)
assert tables.CREDENTIALS is not None
with context.begin_transaction():
    context.run_migrations()
