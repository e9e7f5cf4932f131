"""Beta keys: their validation, and what operators do with them."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.domain.actors import Actor
from api.domain.beta_keys import editing, invitations, issue, listing, lookup
from api.domain.beta_keys.issue import ApiIssueOptions, NewKey
from api.domain.beta_keys.listing import KeyFilter, ListedKey
from api.domain.beta_keys.status import BetaKeyStatus
from api.domain.errors import NotFound
from api.domain.forms import Form
from api.domain.pagination import Position
from api.http.client import bearer_token, client_of
from api.messages import message
from api.rest.listing import newest
from api.rest.requests import operator, read_id, read_json_object
from api.rest.responses import json_response


async def validate_beta_key(request: Request) -> Response:
    client = client_of(request.scope)
    is_signed_in = bearer_token(request.scope) is not None
    reason = await lookup.validate_key(request.path_params["key"], client, is_signed_in=is_signed_in)
    text = message(lookup.message_code(reason), client.language)
    return json_response(HTTPStatus.OK, {"valid": reason is None, "message": text})


async def list_beta_keys(request: Request) -> Response:
    """Without revoked keys: the old front end would show them as available ones."""
    await operator(request)
    return await newest(
        lambda first, after: listing.list_keys(KeyFilter(), first, after),
        lambda key: Position(key.row.created_at, key.row.id),
        lambda key: None if key.status is BetaKeyStatus.REVOKED else _key_json(key),
    )


async def beta_key_stats(request: Request) -> Response:
    """The numbers of the keys that `list_beta_keys` lists."""
    await operator(request)
    stats = await listing.key_stats()
    stats = replace(stats, total=stats.total - stats.revoked)
    return json_response(
        HTTPStatus.OK,
        {
            "total": stats.total,
            "used": stats.used,
            "available": stats.available,
            "expired": stats.expired,
            "usagePercentage": stats.usage_percentage,
        },
    )


async def create_beta_key(request: Request) -> Response:
    actor = await operator(request)
    values = await read_json_object(request)
    (created,) = await _issue(actor, count=1, notes=values.get("notes"))
    return json_response(HTTPStatus.CREATED, created)


async def create_beta_keys(request: Request) -> Response:
    actor = await operator(request)
    values = await read_json_object(request)
    created = await _issue(actor, count=values.get("count"), notes=values.get("notes"))
    return json_response(HTTPStatus.CREATED, created)


async def _issue(actor: Actor, **values: object) -> list[dict[str, Any]]:
    options = ApiIssueOptions.read(values)
    issued: list[NewKey] = []
    await issue.issue_keys(actor, options, issued.extend)
    return [_new_key_json(new, options.notes) for new in issued]


async def update_notes(request: Request) -> Response:
    actor = await operator(request)
    key_id = read_id(request.path_params["id"])
    values = await read_json_object(request)
    await editing.update_key(actor, key_id, {name: values[name] for name in ("notes",) if name in values})
    listed = await listing.find_listed(key_id)
    if listed is None:
        raise NotFound
    return json_response(HTTPStatus.OK, _key_json(listed))


async def delete_beta_key(request: Request) -> Response:
    """The key is revoked: no business can register with it, and the listing omits it."""
    actor = await operator(request)
    await editing.revoke_key(actor, read_id(request.path_params["id"]), None)
    return json_response(HTTPStatus.OK, {"message": message("BETA_KEY_DELETED", actor.client.language)})


class _Invitation(Form):
    email: str


async def send_invitation(request: Request) -> Response:
    actor = await operator(request)
    key_id = read_id(request.path_params["id"])
    values = await read_json_object(request)
    email = _Invitation.read(values).email
    even_if_registered = values.get("evenIfRegistered") is True
    await invitations.send_key(actor, key_id, email, even_if_registered=even_if_registered)
    text = message("INVITATION_SENT", actor.client.language, email=email)
    return json_response(HTTPStatus.OK, {"message": text})


def _key_json(listed: ListedKey) -> dict[str, Any]:
    row, tenant = listed.row, listed.used_by
    return {
        "id": row.id,
        "key": row.key,
        "status": listed.status.value,
        "isUsed": row.is_used,
        "usedByTenantId": row.used_by_tenant_id,
        "usedByTenant": None if tenant is None else {"id": tenant.id, "businessName": tenant.business_name},
        "usedAt": row.used_at,
        "notes": row.notes,
        "expiresAt": row.expires_at,
        "recipientEmail": row.recipient_email,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }


def _new_key_json(new: NewKey, notes: str | None) -> dict[str, Any]:
    return {
        "id": new.id,
        "key": new.key,
        "status": BetaKeyStatus.AVAILABLE.value,
        "isUsed": False,
        "usedByTenantId": None,
        "usedByTenant": None,
        "usedAt": None,
        "notes": notes,
        "expiresAt": None,
        "recipientEmail": None,
        "createdAt": new.created_at,
        "updatedAt": new.created_at,
    }
