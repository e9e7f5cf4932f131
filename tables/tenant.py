from piccolo.columns import UUID, Boolean, Integer, Text, Timestamptz
from piccolo.table import Table


class Tenant(Table, tablename="tenants"):
    """A registered business, with its seats: how many admins, managers and cashiers it may have.

    Triggers set `search_words`, by which tenants are searched, and `tax_id_digits`, the digits of `nit`: see
    `api.domain.search` and `api.domain.tax_ids`. Only servers of an older release read `search_text`.
    """

    id = UUID(primary_key=True)
    business_name = Text(default=None, db_column_name="businessName")
    nit = Text(default=None, unique=True)
    business_type = Text(default=None, db_column_name="businessType")
    address = Text(default=None)
    phone = Text(null=True, default=None)
    email = Text(null=True, default=None)
    beta_key_used = Text(null=True, default=None, db_column_name="betaKeyUsed")
    max_admins = Integer(default=1, db_column_name="maxAdmins")
    max_managers = Integer(default=1, db_column_name="maxManagers")
    max_cashiers = Integer(default=2, db_column_name="maxCashiers")
    is_active = Boolean(default=True, db_column_name="isActive")
    created_at = Timestamptz(db_column_name="createdAt")
    updated_at = Timestamptz(db_column_name="updatedAt")
    suspended_at = Timestamptz(null=True, default=None, db_column_name="suspendedAt")
    suspended_reason = Text(null=True, default=None, db_column_name="suspendedReason")
    deleted_at = Timestamptz(null=True, default=None, db_column_name="deletedAt")
    search_text = Text(null=True, default=None, db_column_name="searchText")
    search_words = Text(null=True, default=None, db_column_name="searchWords")
    tax_id_digits = Text(null=True, default=None, index=True, db_column_name="taxIdDigits")
