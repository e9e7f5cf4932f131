"""Counting wrong codes of a second factor: a person who has the password cannot shut the owner out.

A code that is tried in a session counts for that session. At a sign-in it counts for the account and the
network of the client, and a code of the app also for a group of networks: each network from which the account
has signed in by itself, and all others together. Six digits, of which three codes are valid at a time, need
this bound over many networks. It refuses instead of waiting, since networks that wait at the same time still
guess without a bound. A recovery code and a passkey cannot be guessed: while strangers exhaust the bound, the
owner signs in with these on a new network, and with the app on a network that the account knows.
"""

from uuid import UUID

from api.database.scopes import read_platform
from api.domain.accounts.devices import network_of
from api.domain.actors import Actor, Client
from api.domain.rate_limits import Subject, networks_of

GROUP_FACTOR = 2
"""How many times the limit of one network a group of networks has."""


async def subjects_of(user_id: UUID, actor: Actor, *, is_guessable: bool) -> tuple[Subject, ...]:
    """What a wrong code counts for. `is_guessable` says whether it is one of an app."""
    if actor.session_id is not None:
        return (Subject(f"session {actor.session_id}"),)
    # Not by the address, whose counts a completed reset forgets: it proves the mailbox only.
    account = f"second factor {user_id}"
    networks = tuple(
        Subject(f"{account} {network.name}", network.factor) for network in networks_of(actor.client)
    )
    if not is_guessable:
        return networks
    return *networks, Subject(f"{account} group {await _group_of(user_id, actor.client)}", GROUP_FACTOR)


async def _group_of(user_id: UUID, client: Client) -> str:
    network = network_of(client)
    known = await read_platform(
        'SELECT FROM known_devices WHERE "userId" = {} AND network = {} AND "forgottenAt" IS NULL LIMIT 1',
        user_id,
        network,
    )
    return network if known else "of new networks"
