"""`gatehouse keys list|stats|show`: the beta keys, and how many have each status."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer

from api.cli.keys.options import BatchOption, KeyArgument, SearchOption, StatusOption, build_filter
from api.cli.keys.output import key_fields, print_key, print_keys
from api.cli.terminal import Json, print_json, print_table
from api.command_error import CommandError
from api.domain.errors import NotFound


def list_keys(
    status: StatusOption = None,
    batch: BatchOption = None,
    search: SearchOption = None,
    limit: Annotated[int, typer.Option(min=1, help="The largest number of keys.")] = 100,
    json: Json = False,
) -> None:
    """List beta keys, newest first."""
    from api.domain.beta_keys import listing
    from api.domain.pagination import collect

    key_filter = build_filter(status, batch, search)
    keys = asyncio.run(collect(lambda first, after: listing.list_keys(key_filter, first, after), limit))
    print_keys([key_fields(listed) for listed in keys], json)


def stats(batch: BatchOption = None, json: Json = False) -> None:
    """Count beta keys by status."""
    from api.domain.beta_keys.listing import key_stats

    stats = asyncio.run(key_stats(batch))
    counts = {**asdict(stats), "usagePercentage": stats.usage_percentage}
    if json:
        print_json(counts)
    else:
        print_table(tuple(counts), [tuple(counts.values())])


def show(key: KeyArgument, json: Json = False) -> None:
    """Show one beta key."""
    from api.domain.beta_keys.listing import show_key

    try:
        listed = asyncio.run(show_key(key))
    except NotFound:
        raise not_found(key) from None
    print_key(key_fields(listed), json)


def not_found(key: str) -> CommandError:
    return CommandError(f"beta key {key!r} not found; see: gatehouse keys list")
