"""What operators do with tenants: list, suspend, reactivate and delete them.

A code is mailed to the operator who requests it. The `email` that the old front end sends is not read.
"""

from http import HTTPStatus
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from api.domain.forms import Form
from api.domain.pagination import Page, Position
from api.domain.tenants import deletion, listing, staff, suspension
from api.domain.tenants.listing import TenantFilter
from api.messages import message
from api.rest.listing import read_newest
from api.rest.requests import operator, read_id, read_json_object
from api.rest.responses import json_response
from tables import Tenant, User


class _Listed(NamedTuple):
    tenant: Tenant
    owner: User | None
    users: int


async def list_tenants(request: Request) -> Response:
    await operator(request)
    rows = await read_newest(_read_page, lambda row: Position(row.tenant.created_at, row.tenant.id))
    return json_response(HTTPStatus.OK, [_tenant_json(row) for row in rows])


async def _read_page(first: int, after: Position | None) -> Page[_Listed]:
    page = await listing.list_tenants(TenantFilter(), first, after)
    ids = [tenant.id for tenant in page.items]
    owners = await staff.find_owners(ids)
    users = await staff.count_staff(ids)
    return Page(
        [_Listed(tenant, owners[tenant.id], users[tenant.id]) for tenant in page.items], page.has_next
    )


def _tenant_json(row: _Listed) -> dict[str, Any]:
    tenant, owner, users = row
    return {
        "id": tenant.id,
        "businessName": tenant.business_name,
        "nit": tenant.nit,
        "businessType": tenant.business_type,
        "email": tenant.email,
        "phone": tenant.phone,
        "isActive": tenant.is_active,
        "createdAt": tenant.created_at,
        "updatedAt": tenant.updated_at,
        "usersCount": users,
        "ownerEmail": owner.email if owner is not None else None,
    }


class _RequestOtp(Form):
    tenant_id: str


async def request_suspension_otp(request: Request) -> Response:
    actor = await operator(request)
    asked = _RequestOtp.read(await read_json_object(request))
    expires_at = await suspension.request_tenant_suspension(actor, read_id(asked.tenant_id))
    text = message("CODE_REQUESTED", actor.client.language)
    return json_response(HTTPStatus.OK, {"message": text, "expiresAt": expires_at})


async def request_deletion_otp(request: Request) -> Response:
    actor = await operator(request)
    asked = _RequestOtp.read(await read_json_object(request))
    expires_at = await deletion.request_tenant_deletion(actor, read_id(asked.tenant_id))
    text = message("CODE_REQUESTED", actor.client.language)
    return json_response(HTTPStatus.OK, {"message": text, "expiresAt": expires_at})


class _VerifyOtp(Form):
    tenant_id: str
    otp_code: str


async def suspend_tenant(request: Request) -> Response:
    actor = await operator(request)
    typed = _VerifyOtp.read(await read_json_object(request))
    tenant = await suspension.suspend_tenant_with_code(actor, read_id(typed.tenant_id), typed.otp_code)
    text = message("SUSPENDED", actor.client.language, name=tenant.business_name)
    return json_response(HTTPStatus.OK, {"message": text, **_named(tenant)})


async def delete_tenant(request: Request) -> Response:
    actor = await operator(request)
    typed = _VerifyOtp.read(await read_json_object(request))
    deleted_at = await deletion.delete_tenant_with_code(actor, read_id(typed.tenant_id), typed.otp_code)
    text = message("TENANT_DELETED", actor.client.language)
    return json_response(HTTPStatus.OK, {"message": text, "deletedAt": deleted_at})


async def reactivate_tenant(request: Request) -> Response:
    actor = await operator(request)
    tenant = await suspension.reactivate_tenant(actor, read_id(request.path_params["id"]))
    text = message("REACTIVATED", actor.client.language, name=tenant.business_name)
    return json_response(HTTPStatus.OK, {"message": text, **_named(tenant)})


def _named(tenant: Tenant) -> dict[str, Any]:
    return {"tenantId": tenant.id, "businessName": tenant.business_name}
