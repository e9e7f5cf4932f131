"""The cleaner of every text that a person types or pastes, whatever door it comes through.

Texts that are copied from a chat, a PDF or a spreadsheet hold invisible characters, and several
characters for what looks the same. `clean` is for texts that people read, such as names; `fold` is for texts
in which only ASCII can be meant, such as keys, codes, tax ids and phones. Passwords are neither.

This module imports nothing of Gatehouse, so that the settings use it too. The ranges are the property
Default_Ignorable_Code_Point of Unicode 16, which `unicodedata` does not have.
"""

import re
import unicodedata
from uuid import UUID

_FORMATS = (
    "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
_FILLERS = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000\U000e0002-\U000e001f\U000e0080-\U000e0fff"
)

_FORMAT = re.compile(f"[{_FORMATS}]")
"""An invisible format character, such as a zero width space, a byte order mark or a mark of direction."""

_FILLER = re.compile(f"[{_FILLERS}]")
"""An invisible letter, mark or unassigned code point."""

# Scripts that spell words with joiners: Arabic and its neighbours, and those of South and South-East Asia.
_JOINED = (
    "\u0600-\u08ff\u0900-\u0dff\u0f00-\u0fff\u1000-\u109f\u1780-\u18af\ufb50-\ufdff\U00010a00-\U00011fff"
)
_MISPLACED_JOINER = re.compile(f"(?<![{_JOINED}])[\u200c\u200d]|[\u200c\u200d](?![{_JOINED}])")
_FORMAT_BUT_JOINER = re.compile(f"(?![\u200c\u200d])[{_FORMATS}]")

# Minus signs and other characters for a dash that have another category than Pd.
_OTHER_DASHES = "\u02d7\u2043\u207b\u208b\u2212\u2796"

_PROLONGED = "\u30fc"
"""Japanese keyboards write this sign of Katakana for a dash."""


MARKS_AROUND = (
    "*_~`'\"<>()[]{}|.,:;!?\u00a1\u00bf\u00ab\u00bb\u2039\u203a\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f"
    "\u2022\u00b7"
)
"""What a chat or a sentence puts around a text: marks of bold, quotes, brackets and punctuation."""


def clean(text: str) -> str:
    """A text for people: in NFC, without invisible format characters, and without white space around it.

    A joiner stays between two letters of a script that needs it.
    """
    if text.isascii():
        return text.strip()
    visible = _MISPLACED_JOINER.sub("", _FORMAT_BUT_JOINER.sub("", text))
    return unicodedata.normalize("NFC", visible).strip()


def fold(text: str) -> str:
    """A text of ASCII: in NFKC, with `-` for every dash and ASCII digits for those of every script.

    Invisible format characters and the white space around it are dropped. Other letters than those of ASCII
    remain.
    """
    if text.isascii():
        return text.strip()
    folded = unicodedata.normalize("NFKC", drop_formats(text))
    return fold_digits(fold_dashes(folded).replace(_PROLONGED, "-")).strip()


def compact(text: str) -> str:
    """As `fold`, without white space and dashes."""
    return "".join(fold(text).replace("-", "").split())


def read_uuid(text: str) -> UUID | None:
    """The UUID in a text, or None."""
    try:
        return UUID(fold(text[:200]))
    except ValueError:
        return None


def unwrap(text: str) -> str:
    """The text without `MARKS_AROUND` and white space at its ends."""
    return text.strip(f"{MARKS_AROUND} \t\r\n")


def without_label(text: str) -> str:
    """A key or a code without the words before it: `Your key: 7QX4M 9TKP2`, `Tu código es 123 456`."""
    label = _LABEL.match(text)
    return text[label.end() :] if label else text


_LABEL = re.compile(
    r"(?:(?:(?:beta|recovery|invit(?:e|ation)|access|your|my|the|here|is|use|key|code|token"
    r"|de|invitaci[oó]n|acceso|recuperaci[oó]n|tu|su|mi|la|el|esta|este|es|aqu[ií]|clave|llave|c[oó]digo)\b"
    r"|n\.?[o\u00b0\u00ba]\.?(?=[\s:#]))[\s:=#.]+)+",
    re.IGNORECASE,
)


def without_cell_marks(text: str) -> str:
    """A number as it was before a spreadsheet took it: `'900123456`, `="900123456"`, `900123456.0`,
    `900,123,456.00` and `9.00123456E8`.

    A number whose last digits a spreadsheet has rounded away stays as it is.
    """
    text = text.strip().removeprefix("'")
    if (formula := _FORMULA_OF_TEXT.fullmatch(text)) is not None:
        text = formula[1]
    if (number := _NUMBER_WITH_DECIMALS.fullmatch(text)) is not None:
        return number[1]
    if (scientific := _SCIENTIFIC.fullmatch(text)) is not None:
        whole, decimals, exponent = scientific[1], scientific[2], int(scientific[3])
        if len(decimals) >= exponent and not decimals[exponent:].strip("0"):
            return whole + decimals[:exponent]
    return text


_FORMULA_OF_TEXT = re.compile(r'="?([^"=]+)"?')
_NUMBER_WITH_DECIMALS = re.compile(
    r"([0-9]{5,}|[0-9]{1,3}(?:\.[0-9]{3}){2,}(?=,)|[0-9]{1,3}(?:,[0-9]{3}){2,}(?=\.))[.,]0{1,2}"
)
_SCIENTIFIC = re.compile(r"([1-9])[.,]([0-9]+)E\+?([0-9]{1,2})", re.IGNORECASE)


def drop_formats(text: str) -> str:
    """The text without invisible format characters, joiners included."""
    return _FORMAT.sub("", text)


def is_blank(text: str) -> bool:
    """Whether `clean` would leave nothing. It takes linear time, so the text may have any length."""
    return not drop_formats(text).strip()


def fold_dashes(text: str) -> str:
    """The text with `-` for every dash and minus sign."""
    return text if text.isascii() else "".join(map(_fold_dash, text))


def _fold_dash(character: str) -> str:
    is_dash = unicodedata.category(character) == "Pd" or character in _OTHER_DASHES
    return "-" if is_dash else character


def fold_digits(text: str) -> str:
    """The text with ASCII digits for the decimal digits of every script, by their value."""
    return text if text.isascii() else "".join(map(_fold_digit, text))


def _fold_digit(character: str) -> str:
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)


def has_filler(text: str) -> bool:
    """Whether the text has an invisible character that is no format character, such as U+3164."""
    return not text.isascii() and _FILLER.search(text) is not None


def is_readable(text: str) -> bool:
    """Whether a cleaned text has only characters of names and addresses: no controls, emoji or fillers."""
    # Importing a million lines spends most of its time here; most lines are ASCII.
    if text.isascii():
        return text.isprintable()
    return not has_filler(text) and all(map(_is_readable, text))


def _is_readable(character: str) -> bool:
    match unicodedata.category(character):
        case "Cc" | "Cf" | "Cn" | "Co" | "Cs" | "Zl" | "Zp" | "Me":
            # The joiners that are left in a cleaned text are in words that are spelled with them.
            return character in "\u200c\u200d"
        case "So":
            # Symbols before the arrows occur in addresses and company names: ° © ® № ™.
            return character < "\u2190"
        case "Sk" | "Mn":
            # Refuses skin tones and the variation selectors that turn a symbol into an emoji.
            return character < "\ufe00" or "\ufe20" <= character < "\U0001f000"
        case _:
            return True
