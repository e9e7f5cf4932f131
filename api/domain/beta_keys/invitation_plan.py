"""The plan of many invitations: what would be sent, judged as a whole before the first mail."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.database.scopes import read_platform
from api.domain import fields
from api.domain.accounts.holders import Holder, find_holders
from api.domain.beta_keys.invitations import IS_AVAILABLE, IS_FREE
from api.domain.beta_keys.recipients import Recipient
from api.domain.beta_keys.status import STATUS, BetaKeyStatus
from api.domain.csv_files import BadLines, LineProblem


@dataclass(frozen=True, slots=True)
class InvitationPlan:
    to_send: list[Recipient]
    """Each address once, without `have_key`."""
    have_key: set[str]
    """Addresses that were sent a key of the batch before, or have used the key of their line."""
    holders: dict[str, Holder]
    """The accounts that hold an address of `to_send`, by that address."""
    missing_keys: int
    """Keys that the batch lacks for all of `to_send`."""


async def plan_invitations(batch: str, recipients: Sequence[Recipient]) -> InvitationPlan:
    """Plan to mail each recipient a key of the batch: that of its line, the one issued for it, or a free one.

    Raises `BadLines` for lines whose key cannot be sent to their address.
    """
    batch = fields.batch_as_stored(batch)
    first: dict[str, Recipient] = {}
    for recipient in recipients:
        first.setdefault(recipient.address.lower(), recipient)
    addresses = [each.address for each in first.values()]
    keys = [each.key for each in first.values() if each.key]
    rows = await read_platform(_STATES, batch, batch, batch, keys, addresses)
    states = {row["address"]: row for row in rows}
    have_key = {address for address, state in states.items() if state["isSent"]}
    have_key |= await _judge_keys(batch, [each for each in first.values() if each.key], have_key)
    to_send = [each for each in first.values() if each.address not in have_key]
    unpaired = [each for each in to_send if each.key is None and not states[each.address]["isAssigned"]]
    free = rows[0]["free"] if rows else 0
    holders = await find_holders([each.address for each in to_send])
    return InvitationPlan(to_send, have_key, holders, max(0, len(unpaired) - free))


_OF_ADDRESS = """lower("recipientEmail") = lower(typed.address) AND batch = {}"""

# One statement sees one moment. If the free keys were counted later, another run that had sent some of them
# would make the batch look too small.
_STATES = f"""
SELECT typed.address,
       EXISTS (SELECT FROM beta_keys WHERE {_OF_ADDRESS} AND "sentAt" IS NOT NULL) AS "isSent",
       EXISTS (SELECT FROM beta_keys WHERE {_OF_ADDRESS} AND {IS_AVAILABLE}) AS "isAssigned",
       (SELECT count(*) FROM beta_keys WHERE {IS_FREE} AND key <> ALL({{}}::text[])) AS free
  FROM unnest({{}}::text[]) AS typed (address)
"""

_KEYS = f"""
SELECT key, {STATUS} AS status, batch, "recipientEmail" FROM beta_keys WHERE key = ANY({{}}::text[])
"""


async def _judge_keys(batch: str, paired: list[Recipient], have_key: set[str]) -> set[str]:
    """The addresses that have used the key of their line. Raises `BadLines`."""
    rows = {row["key"]: row for row in await read_platform(_KEYS, [each.key for each in paired])}
    used: set[str] = set()
    problems: list[LineProblem] = []
    for each in paired:
        key = rows.get(each.key or "")
        recipient = None if key is None else key["recipientEmail"]
        if key is None:
            code = "BETA_KEY_REJECTED.NOT_FOUND"
        elif key["batch"] != batch:
            code = "LINE.OTHER_BATCH"
        elif recipient is not None and recipient.lower() != each.address.lower():
            code = "BETA_KEY_REJECTED.OTHER_RECIPIENT"
        elif key["status"] == BetaKeyStatus.AVAILABLE.value or each.address in have_key:
            continue
        elif key["status"] == BetaKeyStatus.USED.value and recipient is not None:
            used.add(each.address)
            continue
        else:
            code = f"BETA_KEY_REJECTED.{key['status']}"
        problems.append(LineProblem(each.line, "", code))
    if problems:
        raise BadLines(problems, len(problems))
    return used
