"""Alembic's entry: runs on the connection, and in the transaction, of `service.catalogue.engine.migrate`."""

from alembic import context

from service.catalogue.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
