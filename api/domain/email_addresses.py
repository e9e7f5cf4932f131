"""Email addresses: reading a typed one, so that two accounts never have addresses that look the same."""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from api import typed_text
from api.domain.errors import Problem


def email(max_length: int) -> Callable[[str], str]:
    """An email address as `email-validator` normalises it, without asking DNS.

    An address is ambiguous if its local part or its domain mixes scripts, or has only letters of another
    script that look like Latin ones, or if folding changes more of its
    local part than the case of ASCII letters: its mails may reach another mailbox than the one that it looks
    like.
    """

    def read(value: str) -> str:
        if len(value) > 4 * max_length:
            raise Problem("TOO_LONG", max=max_length)
        value = _clean(value)
        if not value:
            raise Problem("REQUIRED")
        try:
            address = _normalized_email(value)
        except EmailNotValidError:
            raise Problem("INVALID_EMAIL") from None
        if not typed_text.is_readable(address):
            raise Problem("INVALID_EMAIL")
        domain = address.rpartition("@")[2]
        if any(
            _mixes_scripts(label) or _looks_latin(label) for label in domain.split(".")
        ) or _SECOND_DOT.search(domain):
            raise Problem("AMBIGUOUS_EMAIL")
        if len(address) > max_length:
            raise Problem("TOO_LONG", max=max_length)
        return address

    return read


def _clean(value: str) -> str:
    if _PLAIN_EMAIL.fullmatch(value):
        return value
    if typed_text.has_filler(value):
        raise Problem("INVALID_EMAIL")
    value = typed_text.clean(typed_text.fold_dashes(typed_text.drop_formats(value)))
    local, at, domain = _without_surroundings(_WIDE_AT.sub("@", value)).rpartition("@")
    local = typed_text.fold_digits(local)
    if is_ambiguous(local):
        raise Problem("AMBIGUOUS_EMAIL")
    return f"{local}{at}{domain}"


_WIDE_AT = re.compile("[\uff20\ufe6b]")

_LABEL = re.compile(
    r"^(?:(?:e-?mail|mail|correo(?:\s+electr[oó]nico)?)(?:\s*:\s*|\s+-\s+)|(?:to|para|from|de|cc)\s*:\s*)",
    re.IGNORECASE,
)
_LINK = re.compile(r"mailto:(?://)?([^?%,]*)(?:\?.*)?", re.IGNORECASE | re.DOTALL)
_NAMED = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")
_NAMED_IN_PARENTHESES = (
    re.compile(r"\[(?P<name>[^\[\]]*)\]\((?:mailto:)?(?P<address>[^()]*)\)", re.IGNORECASE),
    re.compile(r"(?P<name>[^()@]*)\((?P<address>[^()]*@[^()]*)\)"),
    re.compile(r"(?P<address>[^()\s]*@[^()\s]*)\s*\((?P<name>[^()]*)\)"),
)
"""A link of Markdown, `Ana (ana@example.com)` and `ana@example.com (Ana)`."""

_PAIRS = {
    "**",
    "__",
    "''",
    '""',
    "``",
    "~~",
    "()",
    "[]",
    "\u00ab\u00bb",
    "\u201c\u201d",
    "\u201e\u201c",
    "\u2018\u2019",
}
"""What stands around an address; the first of some pairs may begin one, but the second ends no domain."""


def _without_surroundings(text: str) -> str:
    """The address in what a chat, a mail program or a sentence makes of it: `Ana <ana@example.com>,`."""
    while True:
        inner = text.strip().rstrip(".,;:!")
        if inner[:1] + inner[-1:] in _PAIRS:
            inner = inner[1:-1]
        elif not _NAMED.fullmatch(inner):
            inner = typed_text.without_cell_marks(inner)
        inner = _LABEL.sub("", inner, count=1)
        if link := _LINK.fullmatch(inner):
            inner = link[1]
        elif (named := _named(inner)) and _names_no_other(named["name"], named["address"]):
            inner = named["address"]
        if inner == text:
            return text
        text = inner


def _named(text: str) -> re.Match[str] | None:
    matches = (pattern.fullmatch(text) for pattern in (_NAMED, *_NAMED_IN_PARENTHESES))
    return next(filter(None, matches), None)


def _names_no_other(name: str, address: str) -> bool:
    """Whether the name before an address contains no other address. Outlook writes the same one twice."""
    return "@" not in name or ascii_lower(typed_text.unwrap(name)) == ascii_lower(address.strip())


def is_ambiguous(local: str) -> bool:
    """Whether the part before the @ can be read as another one."""
    if local.isascii():
        return False
    return (
        unicodedata.normalize("NFKC", local) != local
        or local.lower() != ascii_lower(local)
        or len(_scripts(local)) > 1
        or _looks_latin(local)
        or not all(map(_may_be_in_local_part, local))
        or _SECOND_DOT.search(local) is not None
    )


_SECOND_DOT = re.compile("[ij]\u0307")
"""An i with a dot above, which looks like one without: `lower()` of many languages makes it of U+0130."""


def _may_be_in_local_part(character: str) -> bool:
    """Whether it is of ASCII, a letter or a mark. Other signs can look like one of ASCII, such as U+2019."""
    return character.isascii() or unicodedata.category(character)[0] in "LM"


def _mixes_scripts(label: str) -> bool:
    """Whether a label of a domain mixes scripts. Latin letters may stand beside Chinese and Japanese ones."""
    if label.isascii():
        return False
    scripts = _scripts(label)
    return len(scripts) > 1 and scripts != {"LATIN", "CJK"}


# Small letters of Cyrillic, Greek and Armenian that look like Latin ones in most typefaces: from the list of
# Unicode Technical Standard 39, without those that only resemble them.
_LIKE_LATIN = frozenset(
    "\u0430\u0441\u0501\u0435\u04bb\u0456\u0458\u043e\u0440\u051b\u0455\u051d\u0445\u0443\u04cf\u0475"
    "\u03b1\u03b3\u03b9\u03bd\u03bf\u03c1\u03c3\u03c5\u03f2\u03f3"
    "\u0561\u0563\u0566\u0570\u0575\u0578\u057d\u0581\u0585"
)


def _looks_latin(text: str) -> bool:
    """Whether a text in another script can be read as one in Latin letters, such as Cyrillic."""
    if text.isascii():
        return False
    letters = [letter for letter in text.lower() if letter.isalpha()]
    return bool(letters) and all(letter in _LIKE_LATIN for letter in letters)


def _scripts(text: str) -> set[str]:
    return {script for script in map(_script, text) if script is not None}


def ascii_lower(text: str) -> str:
    """The text with the ASCII letters in lower case. `lower()` would make an i of U+0130."""
    return text.encode(errors="surrogatepass").lower().decode(errors="surrogatepass")


# Written together with Chinese characters.
_SCRIPTS_OF_CJK = {"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "BOPOMOFO", "HANGUL", "IDEOGRAPHIC"}


def _script(character: str) -> str | None:
    """The script of a letter or mark; None for characters that occur in all scripts.

    `unicodedata` has no scripts, but the name of each letter starts with that of its script.
    """
    if character.isascii():
        return "LATIN" if character.isalpha() else None
    if unicodedata.category(character)[0] not in "LM":
        return None
    script = unicodedata.name(character, "").partition(" ")[0]
    if script == "COMBINING":
        return None
    return "CJK" if script in _SCRIPTS_OF_CJK else script


_PLAIN_EMAIL = re.compile(r"((?:[a-z0-9_+-]+\.)*[a-z0-9_+-]+)@([A-Za-z0-9.-]*[A-Za-z0-9])", re.ASCII)


def _normalized_email(value: str) -> str:
    """Raises `EmailNotValidError`."""
    plain = _PLAIN_EMAIL.fullmatch(value)
    if plain is None or len(plain[1]) > 64:
        return validate_email(value, check_deliverability=False).normalized
    # Domain rules take most of the time, and an imported file of a million addresses has few domains.
    return f"{plain[1]}@{_normalized_domain(plain[2])}"


@lru_cache(maxsize=1024)
def _normalized_domain(domain: str) -> str:
    return validate_email(f"x@{domain}", check_deliverability=False).domain


def as_registered(value: str) -> str:
    """The address as registration stores it; adopted databases hold invalid ones, which stay as typed."""
    try:
        return user_email(value)
    except Problem:
        return typed_text.drop_formats(value).strip()


def spellings(value: str) -> list[str]:
    """The stored addresses that a typed one can mean, at most two; PostgreSQL compares them in lower case.

    No address contains control characters, and PostgreSQL rejects NUL. PostgreSQL makes an i of U+0130, which
    would be another person's address.
    """
    typed = dict.fromkeys([value.strip(), as_registered(value)])
    return [address for address in typed if address.isprintable() and "\u0130" not in address]


def mailbox_of(address: str) -> str:
    """The name of a mailbox in a proof: the address that was mailed, in any ASCII case."""
    return ascii_lower(address)


user_email = email(120)
