"""Which passwords people may choose, after NIST SP 800-63B-4: long ones that attackers do not try first.

There are no rules about kinds of characters, which lead people to `Password1!`. `PASSWORD_RULES=old` brings
that of the old system's client back.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from api.domain import opaque_strings
from api.domain.common_passwords import MIN_LENGTH, is_common
from api.domain.errors import Problem
from api.settings import get_settings
from tables import StaffInvitation, Tenant, User

OLD_MIN_LENGTH = 8


def new_password(value: str, *, old_client: bool = False) -> str:
    """A password that may be set. With `old_client`, one that meets the old rule may be shorter.

    The characters are counted in the normal form, in which the password will be hashed. The value is as
    typed, because the hash of a user who registers again may be of that form. Raises `Problem`.
    """
    if opaque_strings.is_too_long(value):
        raise Problem("TOO_LONG", max=opaque_strings.MAX_LENGTH)
    normal = opaque_strings.opaque_string(value)
    if normal is None:
        raise Problem("REQUIRED" if not value else "INVALID_CHARACTERS")
    has_old_rule = get_settings().password_rules == "old"  # noqa: S105
    shortest = OLD_MIN_LENGTH if has_old_rule else get_settings().password_min_length
    is_old_password = meets_old_rule(value)
    if len(normal) < shortest and not (old_client and is_old_password):
        raise Problem("TOO_SHORT", min=shortest)
    if has_old_rule and not is_old_password:
        raise Problem("WEAK_PASSWORD")
    if _is_easy_to_guess(fold(normal)):
        raise Problem("COMMON_PASSWORD")
    return value


def meets_old_rule(password: str) -> bool:
    """Whether the backend that Gatehouse replaces would accept the password."""
    normal = opaque_strings.opaque_string(password)
    return normal is not None and len(normal) >= OLD_MIN_LENGTH and _has_all_kinds(normal)


def _has_all_kinds(password: str) -> bool:
    return (
        any(character.islower() for character in password)
        and any(character.isupper() for character in password)
        and any(character.isdigit() for character in password)
        and any(not character.isalnum() for character in password)
    )


def fold(text: str) -> str:
    """A text without case and accents."""
    letters = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


MAX_LISTED = 40
"""Characters of the longest password that the list or a pattern may make easy; more cost time and gain
nothing."""

MAX_DECORATION = 6
"""Digits and signs around a common word that do not make it a good password. More may be random ones."""


def _is_easy_to_guess(folded: str) -> bool:
    if len(set(folded)) <= 3 or _is_number(folded) or _is_sequence(folded[:MAX_LISTED]):
        return True
    unit = _REPEATED.fullmatch(folded)
    if unit is not None:
        return len(unit[1]) <= MIN_LENGTH or _is_easy_to_guess(unit[1])
    if len(folded) > MAX_LISTED:
        return False
    return any(is_common(form) for form in _forms(folded) if len(form) >= MIN_LENGTH)


MAX_DIGITS = 13
"""Digits of the longest telephone number with its country. All numbers of so many are tried in a day."""


def _is_number(folded: str) -> bool:
    """Whether the text is a date, or the number of a telephone or document, however it is written."""
    return (
        not any(map(str.isalpha, folded))
        and sum(map(str.isdigit, folded)) > len(folded) // 2
        and (sum(map(str.isdigit, folded)) <= MAX_DIGITS)
    )


_REPEATED = re.compile(r"(.+?)\1+")


def _forms(folded: str) -> Iterator[str]:
    """What may be in the list instead: the text without signs, digits around it and digits that look like
    letters.
    """
    yield folded
    core = core_of(folded)
    words = set(re.findall(r"[^\W\d_]+", folded))
    cores = [folded]
    if _entropy_length(folded) - len(core) <= MAX_DECORATION:
        cores += [core, folded[: folded.find(core) + len(core)], *(words if len(words) == 1 else ())]
    for text in cores:
        for letters in ("i", "l"):
            readable = text.translate(_LOOKS_LIKE).translate({ord(sign): letters for sign in "1!|"})
            yield from (text, _squeeze(text), readable, _squeeze(readable), core_of(readable))


_LOOKS_LIKE = str.maketrans("0345789@$+(€", "oeastbgastce")


def core_of(folded: str) -> str:
    """The text without what is around its letters."""
    return re.sub(r"^[\W\d_]+|[\W\d_]+$", "", folded)


def _squeeze(text: str) -> str:
    return "".join(filter(str.isalnum, text))


_SEQUENCES = [
    row[::direction]
    for row in (
        "abcdefghijklmnopqrstuvwxyz",
        "01234567890",
        "qwertyuiop",
        "asdfghjkl",
        "zxcvbnm",
        "qazwsxedcrfvtgbyhnujmikolp",
        "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
        "1q2w3e4r5t6y7u8i9o0p",
        "!@#$%^&*()",
    )
    for direction in (1, -1)
]


def _is_sequence(folded: str) -> bool:
    """Whether nearly the whole text consists of neighbours on the keyboard or in the alphabet, or of
    repetitions."""
    return _entropy_length(folded) <= 2 + len(folded) // 3 and _runs(folded)[1] <= 3


def _entropy_length(text: str) -> int:
    """The length of the text, in which a run of neighbours or of one character counts as one character."""
    runs, others = _runs(text)
    return runs + others


def _runs(text: str) -> tuple[int, int]:
    """The number of runs of at least three neighbours or equal characters, and that of the other
    characters."""
    place = runs = others = 0
    while place < len(text):
        length = max(_run_length(text, place, sequence) for sequence in _SEQUENCES)
        length = max(length, len(text[place:]) - len(text[place:].lstrip(text[place])))
        runs, others = (runs + 1, others) if length >= 3 else (runs, others + 1)
        place += length if length >= 3 else 1
    return runs, others


def _run_length(text: str, place: int, sequence: str) -> int:
    start = sequence.find(text[place])
    if start < 0:
        return 0
    length = 0
    while text[place + length : place + length + 1] == sequence[start + length : start + length + 1] != "":
        length += 1
    return length


def texts_about(person: User | StaffInvitation, tenant: Tenant | None) -> tuple[str | None, ...]:
    """What strangers may know about a person: the texts of `require_impersonal`."""
    business = (tenant.business_name, tenant.phone, tenant.nit) if tenant else ()
    names = person.first_name, person.last_name
    return person.email, *names, person.document_id, person.phone_number, *business


MAX_PERSONAL = 300
"""Characters of a text that passwords are compared with. Folding 60 KB of combining marks takes 0.7 s."""

NATIONAL_DIGITS = 10
LONG_WORD = 6
"""Characters of a word that is refused wherever it is in a password; a shorter one may be part of another
word."""


def require_impersonal(password: str, texts: Iterable[str | None]) -> None:
    """Raises `Problem` if a password is made of what strangers know: an address, names, numbers."""
    folded = fold(password)
    readable = {folded.translate(_LOOKS_LIKE).translate({ord(sign): "i" for sign in "1!|"}), folded}
    forms = {_squeeze(form)[::direction] for form in readable for direction in (1, -1)}
    tokens = set(re.findall(r"[^\W\d_]+", folded)) | set(re.findall(r"[^\W\d_]+", folded[::-1]))
    words = {word for text in texts if text for word in _words(fold(text[:MAX_PERSONAL]))}
    if any(len(word) >= LONG_WORD and word in form for word in words for form in forms):
        raise Problem("PERSONAL_PASSWORD")
    if any(len(word) >= MIN_LENGTH and word in tokens for word in words):
        raise Problem("PERSONAL_PASSWORD")
    if any(_is_only(words, form) for form in forms):
        raise Problem("PERSONAL_PASSWORD")


def _words(folded: str) -> Iterator[str]:
    """The words of a text, and all of it: `ana.rios`, `ana` and `rios` of `ana.rios@example.com`."""
    local = folded.partition("@")[0]
    every = _squeeze(folded)
    yield every
    if every.isdigit() and len(every) > NATIONAL_DIGITS:
        # A telephone number without its country.
        yield every[-NATIONAL_DIGITS:]
    yield _squeeze(local)
    yield from re.findall(r"[^\W_]{3,}", local)


def _is_only(words: Iterable[str], form: str) -> bool:
    """Whether fewer letters than those of a long word are left beside the words."""
    rest = form
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, "") if len(word) >= 3 else rest
    return rest != form and sum(map(str.isalpha, rest)) < LONG_WORD
