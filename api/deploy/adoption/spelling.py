"""How Gatehouse writes values that the old system wrote in other ways: it would not find those."""

from api.domain.errors import Problem
from api.domain.tax_ids import MAX_LENGTH, tax_id, without_rules
from api.key_shape import KEY_PATTERN

# What Python's `str.strip` removes from a typed value, but for rare spaces.
_BLANKS = r"E' \t\r\n\f\v\u00a0\u2007\u200b\u202f\ufeff'"

EMAIL = f"btrim(email::text, {_BLANKS})"
"""The email of a user without the blanks around it, which sign-in removes."""

_TRIMMED_KEY = f"btrim(key::text, {_BLANKS})"

# The lookup expects keys of this shape in upper case. Other keys stay unchanged.
KEY = f"CASE WHEN {_TRIMMED_KEY} ~* '^{KEY_PATTERN}$' THEN upper({_TRIMMED_KEY}) ELSE {_TRIMMED_KEY} END"
"""The key of a beta key without blanks, and in upper case if it has Gatehouse's shape."""

BETA_KEY_USED = KEY.replace("key::text", '"betaKeyUsed"::text')
"""The key with which a tenant was registered, in the same spelling."""

EMPTY_VALUES = {
    ("tenants", "businessName"): "",
    ("tenants", "businessType"): "OTRO",
    ("tenants", "address"): "",
    ("users", "firstName"): "",
    ("users", "lastName"): "",
    # It is the hash of no password: the user signs in after a reset.
    ("users", "password"): "",
}
"""By table and column: what stands for null where Gatehouse always has a value."""


def stored_tax_id(old: str | None) -> str:
    """The tax id as registrations store it; unchanged if it has another form."""
    try:
        return tax_id(old or "")
    except Problem:
        # The rules of today refuse it. Lookups find it, and a registration of the same business compares it.
        compact = without_rules(old or "")
    return compact if 0 < len(compact) <= MAX_LENGTH else old or ""
