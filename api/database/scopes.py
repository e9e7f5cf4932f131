"""Which tenants' rows a transaction may touch. PostgreSQL's row security enforces what is said here.

A domain function opens its transaction in one of these scopes. Outside of them the tables of tenants
show nothing and take nothing, so that forgetting the scope fails closed.
"""

from uuid import UUID

from piccolo.engine.finder import engine_finder

from api.database.engine import Engine, Transaction


def tenant_scope(tenant_id: UUID) -> Transaction:
    """A transaction that sees the rows of one tenant: `async with tenant_scope(id): …`"""
    return engine().transaction(scope=f"SET LOCAL gatehouse.tenant_id = '{UUID(str(tenant_id))}'")


def platform_scope() -> Transaction:
    """A transaction that sees the rows of all tenants: for sign-in, registration and operators."""
    return engine().transaction(scope="SET LOCAL gatehouse.scope = 'platform'")


def engine() -> Engine:
    """The engine of `piccolo_conf`."""
    found = engine_finder()
    if not isinstance(found, Engine):
        raise TypeError("piccolo_conf.DB is not Gatehouse's engine")
    return found
