"""The arguments of the command `piccolo`: some that Piccolo would misread, and commands that are refused."""

from collections.abc import Sequence

from api.command_error import CommandError

REFUSED = {
    "fixtures": "row security hides the rows from it; to copy the database, run: gatehouse db dump",
    "user": "Gatehouse has users of its own; to add an operator, run: gatehouse operators add",
    "migrations clean": "it erases the history of migrations whose files are missing; restore the files",
}
"""Why a command of Piccolo is refused, and what to do instead."""

_DEFAULT_APPS = {
    **dict.fromkeys(("forwards", "forward", "f"), "all"),
    **dict.fromkeys(("backwards", "backward", "back", "b"), "gatehouse"),
}

_OPTIONS_WITH_A_VALUE = ("--desc", "--migration_id", "--auto_input", "--app_name")


def read_arguments(arguments: Sequence[str]) -> list[str]:
    """The arguments as Piccolo reads them. Raises `CommandError` for a command of `REFUSED`.

    `forwards` without the name of an app means all apps, and `backwards` the newest migration of Gatehouse.
    An option may be followed by its value, which Piccolo would take for the next argument.
    """
    for command, reason in REFUSED.items():
        if list(arguments[: len(command.split())]) == command.split() and "--help" not in arguments:
            raise CommandError(f"piccolo {command} is not for Gatehouse: {reason}")
    joined = _join_values(arguments)
    app = _DEFAULT_APPS.get(joined[1]) if joined[:1] == ["migrations"] and joined[1:] else None
    has_app = any(not one.startswith("--") or one.startswith("--app_name=") for one in joined[2:])
    if app is not None and not has_app and "--help" not in joined:
        joined.insert(2, app)
    return joined


def _join_values(arguments: Sequence[str]) -> list[str]:
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in _OPTIONS_WITH_A_VALUE and not argument.startswith("--"):
            joined[-1] = f"{joined[-1]}={argument}"
        else:
            joined.append(argument)
    return joined
