"""Options as word processors and chats write them: `—status available`."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from api import typed_text

_OPTION = re.compile(r"(?P<name>[^\s=]+)(?P<separator>[\s=]?)(?P<value>.*)", re.DOTALL)


def read_options(command: Any, words: Iterable[str]) -> list[str]:
    """The words with the dashes of ASCII before the names of options of a command of Typer.

    A word processor makes one long dash of two, and a space that does not break lines, which no shell takes
    for the end of a word. Words after `--` stay as they are.
    """
    names = set(_names(command))
    read: list[str] = []
    is_ended = False
    for word in words:
        is_ended = is_ended or word == "--"
        read += [word] if is_ended else _option(word, names)
    return read


def _names(command: Any) -> Iterator[str]:
    yield from ("--help", "-h")
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)
    for child in getattr(command, "commands", {}).values():
        yield from _names(child)


def _option(word: str, names: set[str]) -> list[str]:
    option = None if word.isascii() else _OPTION.fullmatch(word)
    if option is None or (option["name"].isascii() and option["separator"].isascii()):
        return [word]
    typed = typed_text.fold(option["name"])
    bare = typed.lstrip("-")
    name = next((name for name in (f"--{bare}", f"-{bare}") if name in names), None)
    if not typed.startswith("-") or name is None or option["separator"] == " ":
        return [word]
    if option["separator"] == "=":
        return [f"{name}={option['value']}"]
    return [name, option["value"].strip()] if option["separator"] else [name]
