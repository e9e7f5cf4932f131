"""The help of commands: each ends with its examples."""

from typing import Any

from rich.markup import escape

from api.cli.examples import EXAMPLES


def add_examples(command: Any, words: tuple[str, ...] = ()) -> None:
    """End the help of a command, and of the commands of a group, with their examples.

    `command` is a command of Typer, whose class it does not export. `words` select it, without `gatehouse`.
    """
    if examples := EXAMPLES.get(" ".join(words)):
        command.epilog = "\n".join(["Examples:", *map(escape, examples)])
    for name, child in getattr(command, "commands", {}).items():
        add_examples(child, (*words, name))
