"""How a command is run: its help ends with examples, and is in the language of the terminal."""

import sys
from typing import Any

import typer
from rich.markup import escape
from typer.exceptions import TyperException

from api.cli.examples import EXAMPLES
from api.cli.pasted_options import read_options
from api.terminal_language import in_terminal_language, terminal_language


def run(command: Any, words: list[str] | None = None) -> int:
    """Run a command of Typer, whose class it does not export, with `words` or those of this process.

    Returns the exit code. What is wrong with the arguments is printed.
    """
    _add_examples(command)
    words = read_options(command, sys.argv[1:] if words is None else words)
    if terminal_language() != "en":
        _translate(command)
    try:
        return command.main(words, prog_name="gatehouse", standalone_mode=False) or 0
    except TyperException as error:
        _print_wrong_usage(error)
        return error.exit_code
    except typer.Abort:
        typer.echo(in_terminal_language("Aborted."), err=True)
        return 1


def _add_examples(command: Any, words: tuple[str, ...] = ()) -> None:
    """`words` are those that select the command, without `gatehouse`."""
    if examples := EXAMPLES.get(" ".join(words)):
        command.epilog = "\n".join([in_terminal_language("Examples:"), *map(escape, examples)])
    for name, child in getattr(command, "commands", {}).items():
        _add_examples(child, (*words, name))


def _translate(command: Any) -> None:
    """Translate the help of a command, and of the commands of a group."""
    command.help = _translate_paragraphs(command.help or "")
    command.options_metavar = in_terminal_language(command.options_metavar)
    for parameter in command.params:
        parameter.help = _translate_paragraphs(parameter.help or "")
        parameter.metavar = parameter.metavar and in_terminal_language(parameter.metavar)
    get_usage, get_help_option, format_help = command.get_usage, command.get_help_option, command.format_help

    def get_help_option_translated(context: Any) -> Any:
        option = get_help_option(context)
        option.help = in_terminal_language(option.help)
        return option

    def format_help_translated(*arguments: Any) -> None:
        _translate_headings()
        format_help(*arguments)

    command.get_usage = lambda context: in_terminal_language(get_usage(context))
    command.get_help_option = get_help_option_translated
    command.format_help = format_help_translated
    for child in getattr(command, "commands", {}).values():
        command.subcommand_metavar = in_terminal_language(command.subcommand_metavar)
        _translate(child)


def _translate_paragraphs(text: str) -> str:
    return "\n\n".join(in_terminal_language(" ".join(part.split())) for part in text.split("\n\n"))


def _translate_headings() -> None:
    from typer import rich_utils

    for name in (
        "ARGUMENTS_PANEL_TITLE",
        "OPTIONS_PANEL_TITLE",
        "COMMANDS_PANEL_TITLE",
        "ERRORS_PANEL_TITLE",
    ):
        setattr(rich_utils, name, in_terminal_language(getattr(rich_utils, name)))
    rich_utils.DEFAULT_STRING = in_terminal_language(rich_utils.DEFAULT_STRING)
    rich_utils.REQUIRED_LONG_STRING = in_terminal_language(rich_utils.REQUIRED_LONG_STRING)
    rich_utils.RICH_HELP = in_terminal_language(rich_utils.RICH_HELP)


def _print_wrong_usage(error: TyperException) -> None:
    from typer import rich_utils

    _translate_headings()
    sentence = in_terminal_language(error.format_message())
    error.format_message = lambda: sentence
    print_error: Any = rich_utils.rich_format_error
    print_error(error)
