from piccolo.columns import UUID, Boolean, ForeignKey, Text, Timestamptz, Varchar
from piccolo.columns.base import OnDelete
from piccolo.table import Table

from tables.tenant import Tenant


class User(Table, tablename="users"):
    """A person who signs in: an operator (no tenant) or staff of one tenant.

    `lower(email)` is unique, by the generated column `emailLower`, which exists only in SQL.
    """

    id = UUID(primary_key=True)
    email = Varchar(length=120, default=None)
    password = Varchar(length=None, default=None, secret=True)
    first_name = Text(default=None, db_column_name="firstName")
    last_name = Text(default=None, db_column_name="lastName")
    role = Varchar(length=None, default="CASHIER")
    is_active = Boolean(default=True, db_column_name="isActive")
    created_at = Timestamptz(db_column_name="createdAt")
    updated_at = Timestamptz(db_column_name="updatedAt")
    tenant_id = ForeignKey(
        Tenant, null=True, default=None, on_delete=OnDelete.cascade, index=True, db_column_name="tenantId"
    )
    is_owner = Boolean(default=False, db_column_name="isOwner")
    document_id = Text(null=True, default=None, db_column_name="documentId")
    phone_number = Text(null=True, default=None, db_column_name="phoneNumber")
    second_factor_at = Timestamptz(null=True, default=None, db_column_name="secondFactorAt")
