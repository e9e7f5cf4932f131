"""Counting the passwords that are tried for an account: guessing is slow, and no stranger locks the owner
out.

Wrong passwords are counted for an account and a network together, and refused over the limit: a stranger
shuts the account for the stranger's own network only. All tries for the account, from networks that it has
not signed in from, are counted too. Over that limit they are not refused, but each waits. The right password
never waits on a network that the account knows.
"""

import asyncio

from api.domain import rate_limits
from api.domain.accounts.passwords import PasswordCheck, check_password
from api.domain.accounts.wrong_passwords import record_wrong_password
from api.domain.actors import Client
from api.domain.rate_limits import ACCOUNT_PASSWORDS, WRONG_PASSWORDS, Subject
from api.domain.viewer import Viewer
from tables import User

MAX_WAIT = 5.0
"""Seconds: as long as a stranger can make the owner wait, on a network that is new to the account."""


async def guess_password(
    password: str, email: str, user: User | None, client: Client, *, is_known: bool
) -> PasswordCheck:
    """Check the password of a user, or a decoy if the address is unknown; an inactive user has none.

    `is_known` says whether the user has signed in from the client's network. Raises `RateLimited` over the
    limit of the account and the network. An unknown address takes the same time and the same counts.
    """
    account = await rate_limits.account_of(email)
    networks = tuple(
        Subject(f"{account.name} {network.name}", network.factor)
        for network in rate_limits.networks_of(client)
    )
    await rate_limits.check(WRONG_PASSWORDS, *networks)
    # Counted and awaited before the password is checked, so that guesses that are sent at once wait too. The
    # wait holds neither a connection of the database nor a thread that hashes.
    if not is_known:
        await _slow_down(account)
    checked = await check_password(password, user.password if user else None)
    wrong = user is None or not checked.is_valid or not user.is_active
    if wrong:
        await record_wrong_password(email, user, client)
    await rate_limits.settle_guess(WRONG_PASSWORDS, *networks, wrong=wrong)
    if wrong and is_known:
        # As long as elsewhere: the time does not reveal that the account exists and knows this network.
        await _slow_down(account)
    return checked


async def _slow_down(account: Subject) -> None:
    """Wait over the limit, for longer with each try, until `MAX_WAIT` at twice the limit."""
    tries, limit = await rate_limits.tally(ACCOUNT_PASSWORDS, account)
    if tries > limit:
        await asyncio.sleep(min(MAX_WAIT, MAX_WAIT * (tries - limit) / limit))


async def guess_own_password(password: str, stored: str | None, viewer: Viewer) -> bool:
    """Whether a signed-in user typed the password; tries count for the session alone.

    A stranger cannot spend the tries of the owner, nor the thief of a session those of the sign-in. Right
    ones count too, because each takes a core for a while. Raises `RateLimited`.
    """
    session = Subject(f"session {viewer.session_id}")
    await rate_limits.count(rate_limits.LOGIN, session)
    await rate_limits.check(WRONG_PASSWORDS, session)
    checked = await check_password(password, stored)
    if not checked.is_valid:
        await record_wrong_password(viewer.user.email, viewer.user, viewer.client)
    await rate_limits.settle_guess(WRONG_PASSWORDS, session, wrong=not checked.is_valid)
    return checked.is_valid
