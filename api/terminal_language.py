"""The language of commands: Spanish where the environment asks for it, as gettext reads it.

Sentences are written in English where they are printed or raised, so that logs, JSON and exceptions are
English everywhere. A terminal in Spanish looks them up in `api/spanish/`, which is imported only then.
"""

import os
from collections.abc import Mapping


def terminal_language(environment: Mapping[str, str] = os.environ) -> str:
    """One of `api.messages.LANGUAGES`, by the variables of the locale.

    The locale is the first of LC_ALL, LC_MESSAGES and LANG that is not empty. LANGUAGE, a list separated by
    colons, goes before it, unless the locale is `C` or `POSIX` (GNU gettext, "The LANGUAGE variable").
    """
    names = (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next(filter(None, names), "C")
    if locale in ("C", "POSIX"):
        return "en"
    for name in [*environment.get("LANGUAGE", "").split(":"), locale]:
        language = name.lower().replace("-", "_").partition(".")[0].partition("@")[0].partition("_")[0]
        if language in ("en", "es"):
            return language
    return "en"


def in_terminal_language(line: str) -> str:
    """A line in the language of the terminal; one without a translation stays as it is."""
    if terminal_language() == "en":
        return line
    from api.spanish import translate

    return translate(line)
