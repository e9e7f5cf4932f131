"""The JSON of users, tenants and sessions, with the names of the old system."""

from typing import Any

import orjson
from starlette.responses import Response

from api.domain.accounts.sessions import OpenedSession
from tables import Tenant, User


def json_response(status: int, content: object) -> Response:
    # `default=str` is for asyncpg's own UUID class, which orjson does not know.
    body = orjson.dumps(content, default=str, option=orjson.OPT_UTC_Z)
    headers = {"cache-control": "no-store", "vary": "accept-language"}
    return Response(body, status, headers, media_type="application/json")


def session_json(opened: OpenedSession) -> dict[str, Any]:
    return {
        "user": user_json(opened.user),
        "tenant": tenant_json(opened.tenant) if opened.tenant is not None else None,
        "accessToken": opened.token,
    }


def user_json(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "role": user.role,
        "isOwner": user.is_owner,
        "isActive": user.is_active,
        "documentId": user.document_id,
        "phoneNumber": user.phone_number,
        "tenantId": user.tenant_id,
        "createdAt": user.created_at,
        "updatedAt": user.updated_at,
    }


def tenant_json(tenant: Tenant) -> dict[str, Any]:
    return {
        "id": tenant.id,
        "businessName": tenant.business_name,
        "nit": tenant.nit,
        "businessType": tenant.business_type,
        "address": tenant.address,
        "phone": tenant.phone,
        "email": tenant.email,
        "betaKeyUsed": tenant.beta_key_used,
        "maxAdmins": tenant.max_admins,
        "maxManagers": tenant.max_managers,
        "maxCashiers": tenant.max_cashiers,
        "isActive": tenant.is_active,
        "createdAt": tenant.created_at,
        "updatedAt": tenant.updated_at,
    }
