"""Beta keys as JSON with the field names of the API, or as a table."""

from typing import TYPE_CHECKING, Any

from api.cli.terminal import format_value, in_table, print_json, print_table

if TYPE_CHECKING:
    from api.domain.beta_keys.issue import IssueOptions, NewKey
    from api.domain.beta_keys.listing import ListedKey


def new_key_fields(new: "NewKey", options: "IssueOptions") -> dict[str, Any]:
    return {
        "id": new.id,
        "key": new.key,
        "status": "AVAILABLE",
        "notes": options.notes,
        "batch": options.batch,
        "recipientEmail": options.recipient_email,
        "expiresAt": options.expires_at,
        "sentAt": None,
        "usedAt": None,
        "usedBy": None,
        "revokedAt": None,
        "revokedReason": None,
        "createdAt": new.created_at,
    }


def key_fields(listed: "ListedKey") -> dict[str, Any]:
    row, tenant = listed.row, listed.used_by
    return {
        "id": row.id,
        "key": row.key,
        "status": listed.status.value,
        "notes": row.notes,
        "batch": row.batch,
        "recipientEmail": row.recipient_email,
        "expiresAt": row.expires_at,
        "sentAt": row.sent_at,
        "usedAt": row.used_at,
        "usedBy": None if tenant is None else {"id": tenant.id, "businessName": tenant.business_name},
        "revokedAt": row.revoked_at,
        "revokedReason": row.revoked_reason,
        "createdAt": row.created_at,
    }


def print_key(key: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(key)
    else:
        _print([key], None)


def print_keys(keys: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(keys)
    else:
        _print(keys, 1)


def _print(keys: list[dict[str, Any]], lines: int | None) -> None:
    print_table(
        ("key", "status", "batch", "for", "expires", "notes", "history"),
        [
            (
                key["key"],
                key["status"],
                key["batch"],
                key["recipientEmail"],
                key["expiresAt"],
                key["notes"],
                _history(key),
            )
            for key in keys
        ],
        lines,
    )


def _history(key: dict[str, Any]) -> str | None:
    if key["usedAt"] is not None:
        tenant = key["usedBy"]["businessName"] if key["usedBy"] else "a deleted business"
        return in_table(f"used by {tenant}, {format_value(key['usedAt'])}")
    if key["revokedAt"] is not None:
        reason = key["revokedReason"] or "no reason given"
        return in_table(f"revoked {format_value(key['revokedAt'])}: {reason}")
    return None if key["sentAt"] is None else in_table(f"sent {format_value(key['sentAt'])}")
