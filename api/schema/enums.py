"""The enums of the domain, registered as GraphQL enums. Annotate fields with the classes of this module."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, cast

import strawberry

from api.domain.beta_keys.status import BetaKeyStatus
from api.domain.business_types import BusinessType
from api.domain.errors import BetaKeyRejection
from api.domain.roles import Role

__all__ = ["BetaKeyRejection", "BetaKeyStatus", "BusinessType", "Role"]


def _register(enum: type[Enum], description: str, values: Mapping[str, str]) -> None:
    """Make `enum` a GraphQL enum; `values` are the descriptions of its members, by name.

    Strawberry takes descriptions only at the definition of the members, and the domain must not import it.
    Raises `KeyError` for a member without a description.
    """
    strawberry.enum(enum, description=description)
    for value in cast("Any", enum).__strawberry_definition__.values:
        value.description = values[value.name]


_register(
    Role,
    "What a user may do.",
    {
        "SUPER_ADMIN": "An operator of the closed beta: issues beta keys and administers all tenants. "
        "Belongs to no tenant.",
        "ADMIN": "Administers one tenant: its details, and its admins, managers and cashiers. "
        "The owner is an admin.",
        "MANAGER": "Manages the cashiers of one tenant.",
        "CASHIER": "Sees one tenant and changes nothing in it.",
    },
)

_register(
    BetaKeyStatus,
    "The state of a beta key, by the clock of the server.",
    {
        "AVAILABLE": "A business can register with the key.",
        "USED": "A business registered with the key. The key stays used after its `expiresAt`.",
        "EXPIRED": "The key was not used before its `expiresAt`. A later `expiresAt` makes it available "
        "again.",
        "REVOKED": "An operator revoked the key before it was used.",
    },
)

_register(
    BetaKeyRejection,
    "Why a business cannot register with a beta key.",
    {
        "NOT_FOUND": "No key with this text was issued.",
        "USED": "A business has registered with the key.",
        "EXPIRED": "The key has expired.",
        "REVOKED": "An operator revoked the key.",
        "OTHER_RECIPIENT": "The key was issued to another email address than the owner's. "
        "Only `register` answers this, because `validateBetaKey` takes no email address.",
    },
)

_register(
    BusinessType,
    "The line of business of a tenant.",
    {
        "TIENDA": "Shop or corner shop.",
        "SUPERMERCADO": "Supermarket.",
        "MINIMERCADO": "Small supermarket.",
        "FARMACIA": "Pharmacy.",
        "DROGUERIA": "Drugstore.",
        "RESTAURANTE": "Restaurant.",
        "CAFETERIA": "Café.",
        "PANADERIA": "Bakery.",
        "FERRETERIA": "Hardware shop.",
        "PAPELERIA": "Stationery shop.",
        "BOUTIQUE": "Boutique: clothing and accessories.",
        "SKATESHOP": "Skate shop.",
        "DEPORTES": "Sports shop.",
        "TECNOLOGIA": "Electronics shop.",
        "MASCOTAS": "Pet shop.",
        "BELLEZA": "Beauty shop or salon.",
        "LICORES": "Liquor shop.",
        "VARIEDADES": "Variety shop.",
        "OTRO": "Any other business.",
    },
)
