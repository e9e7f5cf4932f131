"""Tenants."""

from datetime import datetime

import strawberry

import tables
from api.domain import tenants

BusinessType = strawberry.enum(tenants.BusinessType, name="BusinessType")


@strawberry.type
class Tenant:
    id: strawberry.ID
    business_name: str
    nit: str
    business_type: BusinessType  # pyright: ignore[reportInvalidTypeForm]
    address: str
    phone: str | None
    email: str | None
    is_active: bool
    suspended_reason: str | None
    created_at: datetime

    @classmethod
    def of(cls, tenant: tables.Tenant) -> "Tenant":
        return cls(
            id=strawberry.ID(str(tenant.id)),
            business_name=tenant.business_name,
            nit=tenant.nit,
            business_type=tenants.BusinessType.read(tenant.business_type) or tenants.BusinessType.OTRO,
            address=tenant.address,
            phone=tenant.phone,
            email=tenant.email,
            is_active=tenant.is_active,
            suspended_reason=tenant.suspended_reason,
            created_at=tenant.created_at,
        )
