"""The sentences of commands in Spanish, by the English ones. `{}` stands for a value, such as a name.

A line is printed with its values filled in, so it is compared with each sentence. In the Spanish one, `{}` or
`{0}` is a value as it is, and `{0:es}` a value that is a sentence itself.
"""

import re
from functools import cache

from api.spanish.administration import ADMINISTRATION
from api.spanish.administration_help import ADMINISTRATION_HELP
from api.spanish.adoption import ADOPTION
from api.spanish.database import DATABASE
from api.spanish.doctor import DOCTOR
from api.spanish.help import HELP
from api.spanish.migrations import MIGRATIONS
from api.spanish.usage import USAGE

SENTENCES = {
    **HELP,
    **ADMINISTRATION_HELP,
    **USAGE,
    **ADMINISTRATION,
    **DATABASE,
    **MIGRATIONS,
    **ADOPTION,
    **DOCTOR,
}


class _Value(str):
    def __format__(self, spec: str) -> str:
        return translate(self) if spec == "es" else str(self)


def translate(line: str) -> str:
    """The line in Spanish. One that is not in `SENTENCES` is returned as it is."""
    if line in SENTENCES:
        return SENTENCES[line]
    for sentence, first, last in _with_values():
        if line.startswith(first) and line.endswith(last) and (found := _pattern(sentence).fullmatch(line)):
            return SENTENCES[sentence].format(*map(_Value, found.groups()))
    return line


@cache
def _with_values() -> list[tuple[str, str, str]]:
    """The sentences with values, and what they begin and end with; those that say most come first.

    One that begins with a value comes after all others: the value could be the beginning of another sentence.
    """
    with_values = (one for one in SENTENCES if "{}" in one)
    sentences = sorted(with_values, key=lambda one: (one.startswith("{}"), -len(one)))
    return [(one, one.partition("{}")[0], one.rpartition("{}")[2]) for one in sentences]


@cache
def _pattern(sentence: str) -> re.Pattern[str]:
    return re.compile("(.*?)".join(map(re.escape, sentence.split("{}"))), re.DOTALL)
