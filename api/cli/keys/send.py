"""`gatehouse keys send`: a key of a batch for each address in a file."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.files import seekable_file
from api.cli.keys.files import refused_lines
from api.cli.keys.options import Language, LanguageOption, YesOption, actor_with_language, describe_holder
from api.cli.terminal import confirm, say
from api.command_error import CommandError
from api.domain.errors import Conflict, InvalidInput, NotFound, RateLimited

if TYPE_CHECKING:
    from api.domain.actors import Actor
    from api.domain.beta_keys.invitation_plan import InvitationPlan
    from api.domain.beta_keys.recipients import Recipient, RecipientFile
    from api.domain.csv_files import BadLines

SHOWN = 5
"""Addresses at the beginning and the end of a list that a question shows."""


def send(
    batch: Annotated[str, typer.Option(help="The batch whose keys are sent.")],
    to: Annotated[
        Path,
        typer.Option(
            help="A file of addresses: one a line, a list of a mail program, or CSV with a column such as "
            "email or correo; - is standard input."
        ),
    ],
    column: Annotated[
        str | None,
        typer.Option(help="The heading of the column with the addresses, where several have some."),
    ] = None,
    language: LanguageOption = Language.en,
    yes: YesOption = False,
) -> None:
    """Mail each address one key of a batch; an address that has one gets no other. Safe to run again.

    Nothing is sent if a line of the file is doubtful. At a terminal, it shows what it would send, and asks.
    """
    from api.domain.beta_keys.recipients import read_recipients
    from api.domain.csv_files import BadLines

    with seekable_file(to) as content:
        try:
            listed = read_recipients(content, column)
        except BadLines as bad:
            raise _refused(bad, to) from None
    if not listed.recipients:
        raise CommandError(f"nothing was sent: {to} has no addresses")
    try:
        failed = asyncio.run(_send(batch, listed, to, language, yes))
    except BadLines as bad:
        raise _refused(bad, to) from None
    if failed:
        raise CommandError(
            f"{failed} of {len(listed.recipients)} addresses got no key; fix the cause above and run this "
            "again"
        )


def _refused(bad: "BadLines", file: Path) -> CommandError:
    if [problem.code for problem in bad.problems] == ["LINE.UNBALANCED_QUOTES"]:
        line = bad.problems[0].line
        return CommandError(
            f"nothing was sent: {file} is not CSV in line {line}; is a quotation mark missing?"
        )
    return refused_lines(bad, file, "nothing was sent")


async def _send(batch: str, listed: "RecipientFile", file: Path, language: Language, yes: bool) -> int:
    """Returns the number of addresses that got no key."""
    from api.domain.beta_keys.invitation_plan import plan_invitations

    plan = await plan_invitations(batch, listed.recipients)
    if plan.missing_keys:
        raise CommandError(
            f"nothing was sent: batch {batch} has {plan.missing_keys} keys too few for {len(plan.to_send)} "
            f"addresses; issue them: gatehouse keys issue --count {plan.missing_keys} --batch {batch}"
        )
    _warn(plan, listed)
    if not yes:
        _confirm(plan, batch, listed, file, language)
    return await _send_all(plan, batch, listed.recipients, language)


def _warn(plan: "InvitationPlan", listed: "RecipientFile") -> None:
    for recipient in plan.to_send:
        if (holder := plan.holders.get(recipient.address)) is not None:
            say(
                f"line {recipient.line}: {recipient.typed} {describe_holder(holder)}, "
                "so this address cannot register with a key",
                err=True,
            )
    if listed.without_address:
        say(f"lines with a key and no address, which are left out: {listed.without_address}", err=True)


def _confirm(
    plan: "InvitationPlan", batch: str, listed: "RecipientFile", file: Path, language: Language
) -> None:
    """Ask at a terminal before several mails, or one to an account. Elsewhere, refuse those to accounts."""
    is_terminal = sys.stdin.isatty() or sys.stdout.isatty()
    if not is_terminal and plan.holders:
        raise CommandError(
            f"nothing was sent: addresses that have an account: {len(plan.holders)}; take them out of "
            f"{file}, or add --yes to send to them too"
        )
    if not is_terminal or (len(plan.to_send) < 2 and not plan.holders):
        return
    _preview(plan, batch, listed, language)
    if str(file) == "-":
        raise CommandError("nothing was sent; to send, run this again with --yes")
    confirm("Send them?")


def _preview(plan: "InvitationPlan", batch: str, listed: "RecipientFile", language: Language) -> None:
    column = f", from the column {listed.column}" if listed.column else ""
    lines = [
        f"{len(plan.to_send)} addresses get a key of batch {batch}, by mail in {language.value}{column}:"
    ]
    addresses = [each.address if each.key is None else f"{each.address}: {each.key}" for each in plan.to_send]
    if len(addresses) > 2 * SHOWN:
        addresses[SHOWN:-SHOWN] = ["…"]
    lines += [f"  {address}" for address in addresses]
    if len(listed.recipients) > len(plan.to_send):
        lines.append(f"{len(listed.recipients) - len(plan.to_send)} lines have an address with a key already")
    for line in lines:
        say(line, err=True)


async def _send_all(
    plan: "InvitationPlan", batch: str, recipients: "list[Recipient]", language: Language
) -> int:
    """Print a line for each address. Returns the number of addresses that got no key."""
    actor = actor_with_language(language)
    failed = 0
    for recipient in recipients:
        if recipient.address in plan.have_key:
            outcome, is_failed = "already has a key", False
        else:
            outcome, is_failed = await _send_one(actor, batch, recipient)
        failed += is_failed
        say(f"{recipient.typed}: {outcome}")
    return failed


async def _send_one(actor: "Actor", batch: str, recipient: "Recipient") -> tuple[str, bool]:
    """What became of the invitation, and whether it failed. After the plan, only a race can make it fail."""
    from api.domain.beta_keys.invitations import invite

    while True:
        try:
            is_new = await invite(actor, batch, recipient.address, recipient.key)
            return "sent" if is_new else "already has a key", False
        except RateLimited as limited:
            await _wait(limited.retry_after_seconds)
        except InvalidInput:
            return "is not a valid email address", True
        except NotFound:
            return f"batch {batch} has no keys left", True
        except Conflict:
            return f"key {recipient.key} is no longer available", True


async def _wait(seconds: int) -> None:
    from api import written_times

    until = datetime.now(UTC) + timedelta(seconds=seconds)
    say(f"hourly limit of invitations reached; continuing at {written_times.short(until)}", err=True)
    await asyncio.sleep(seconds)
