"""`gatehouse keys update|invite|revoke`: changes of one beta key."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from uuid import UUID

import typer

from api.cli.keys.listing import not_found
from api.cli.keys.options import (
    KeyArgument,
    Language,
    LanguageOption,
    YesOption,
    actor_with_language,
    describe_holder,
    parse_expiry,
)
from api.cli.keys.output import key_fields, print_key
from api.cli.terminal import Json, confirm, say
from api.command_error import CommandError
from api.domain.errors import Conflict, NotFound

Change = Callable[[UUID], Coroutine[Any, Any, object]]
"""A function of the domain that changes the key with this id."""


def update(
    key: KeyArgument,
    notes: Annotated[str | None, typer.Option(help="The new note; '' removes it.")] = None,
    expires: Annotated[
        str | None, typer.Option(help="When the key expires, as in keys issue; '' means never.")
    ] = None,
    json: Json = False,
) -> None:
    """Change the notes or the expiry of a beta key."""
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.beta_keys.editing import update_key

    fields: dict[str, Any] = {}
    if notes is not None:
        fields["notes"] = notes
    if expires is not None:
        fields["expiresAt"] = parse_expiry(expires) if expires else None
    if not fields:
        raise typer.BadParameter("give --notes, --expires or both")
    _change(key, lambda key_id: update_key(SYSTEM_ACTOR, key_id, fields), json)


def invite(
    key: KeyArgument,
    email: Annotated[
        str, typer.Argument(metavar="EMAIL", help="The recipient; only this address may use the key then.")
    ],
    language: LanguageOption = Language.en,
    yes: YesOption = False,
    json: Json = False,
) -> None:
    """Mail an invitation with a beta key to one address; ask first if that has an account."""
    from api.domain.beta_keys.invitations import send_key

    actor = actor_with_language(language)

    async def ask_and_send(key_id: UUID) -> None:
        await _confirm_registered(email, yes)
        await send_key(actor, key_id, email, even_if_registered=True)

    _change(
        key,
        ask_and_send,
        json,
        conflict="is not available or belongs to another recipient, so it cannot be sent",
    )


async def _confirm_registered(email: str, yes: bool) -> None:
    """Warn before a mail to an address that cannot register. Raises `CommandError` if it cannot ask."""
    from api.domain.accounts.holders import find_holders
    from api.domain.email_addresses import as_registered

    for holder in (await find_holders([as_registered(email)])).values():
        warning = f"{email} {describe_holder(holder)}, so this address cannot register with a key"
        if not yes and not sys.stdin.isatty():
            raise CommandError(f"nothing was sent: {warning}; to send it anyway, add --yes")
        say(warning, err=True)
        if not yes:
            confirm("Send the key anyway?")


def revoke(
    key: KeyArgument,
    reason: Annotated[str | None, typer.Option(help="The reason, stored with the key.")] = None,
    json: Json = False,
) -> None:
    """Revoke an unused beta key, so that no business can register with it."""
    from api.domain.actors import SYSTEM_ACTOR
    from api.domain.beta_keys.editing import revoke_key

    _change(
        key,
        lambda key_id: revoke_key(SYSTEM_ACTOR, key_id, reason),
        json,
        conflict="is already used or revoked, so it cannot be revoked",
    )


def _change(key: str, change: Change, as_json: bool, conflict: str = "") -> None:
    """Change a key, then print it. `conflict` is what the domain's `Conflict` means here."""
    try:
        changed = asyncio.run(_change_and_read(key, change))
    except NotFound:
        raise not_found(key) from None
    except Conflict:
        raise CommandError(f"beta key {key} {conflict}; see: gatehouse keys show {key}") from None
    print_key(changed, as_json)


async def _change_and_read(key: str, change: Change) -> dict[str, Any]:
    from api.domain.beta_keys.listing import show_key

    await change((await show_key(key)).row.id)
    return key_fields(await show_key(key))
