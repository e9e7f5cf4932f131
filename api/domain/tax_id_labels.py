"""What people write around a tax id: its name, a country, and the name of the check digit."""

import re
from collections.abc import Callable

from api.typed_text import MARKS_AROUND

_SEPARATORS = re.compile(r"[\s.,/:;_'\u2019\\-]+")

# A spreadsheet's formula begins with the sign.
_AROUND = f"{MARKS_AROUND}= \t"

# Marks of bold, and dots in the middle of the line, which some programs write for a full stop.
_MARKS_WITHIN = str.maketrans({"*": None, "~": None, "`": None, "\u00b7": ".", "\u2022": "."})

_SHORT_NAMES = (
    "NIT RUC RUT RUN RNC RIF RTN RFC CUIT CUIL CUI DPI DUI CNPJ CPF NIF CIF NIE DNI CC CI EIN TIN ITIN SSN"
    " VAT IVA TVA MWST"
)
_LONG_NAMES = (
    r"C[EÉ]DULA(?:\s*JUR[IÍ]DICA|\s*F[IÍ]SICA|\s*DE\s*(?:CIUDADAN[IÍ]A|IDENTIDAD))?",
    r"(?:IDENTIFICACI[OÓ]N|REGISTRO)(?:\s*TRIBUTARI[AO]|\s*FISCAL)?",
    r"(?:VAT|TAX)\s*(?:ID|IDENTIFICATION|REGISTRATION)",
    r"ID\s*FISCAL",
)
# People write dots or spaces between the letters: `N.I.T.`
_NAME = "|".join([*_LONG_NAMES, *(r"[.\s]*".join(name) for name in _SHORT_NAMES.split())])
_NUMBER_WORD = r"(?:N\.?\s?[O°]|N\.|NRO|N[UÚ]M(?:ERO)?|NUMBER)(?![A-ZÑ&])\.?"
_LABEL = re.compile(
    rf"[(\[\s]*(?:{_NUMBER_WORD}\s*(?:DE\s+)?)?(?P<name>{_NAME})"
    r"(?:(?P<glued>)(?:NO?|NRO|N[UÚ]M(?:ERO)?)?(?=[A-Z]?-?\d)"
    rf"|(?![A-ZÑ&\d])[)\].\s-]*(?:{_NUMBER_WORD})?[)\]\s./-]*(?P<colon>[:#=]?)[\s./#-]*)"
)
_LABEL_AT_END = re.compile(rf"(.*\d.*?)(?:\s*[(\[]|\s)\s*(?:{_NAME})[)\].\s]*")

_NUMBER = re.compile(r"\d+[A-Z]?|[A-Z]\d{7,9}[A-Z]?")
_DATE_AND_REST = r"\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[A-Z\d]{3}"
_RFC = f"[A-ZÑ&]{{3,4}}{_DATE_AND_REST}"
"""A Mexican id: letters of the business, a date and three characters."""


def compact(text: str) -> str:
    """The text without the characters that separate the parts of a tax id."""
    return _SEPARATORS.sub("", text)


def without_labels(text: str, country: str | None, is_id_of: Callable[[str, str], bool]) -> str:
    """The text without names of ids and of a country around the number, such as `R.U.C. No.` or `CO`.

    `text` is in upper case. `is_id_of` says whether a text is a tax id of a country.
    """
    text = _without_names(text.strip(_AROUND).translate(_MARKS_WITHIN), country)
    text = _without_country(text, country, is_id_of)
    if (named_after := _LABEL_AT_END.fullmatch(text)) is not None:
        text = named_after[1].rstrip(" ,/-")
    return _without_name_of_check_digit(text)


def _without_names(text: str, country: str | None) -> str:
    while (label := _LABEL.match(text)) is not None and _is_label(label, text, country):
        text = text[label.end() :]
    # Older versions stored it without its `&`.
    if re.fullmatch(f"RFC(?:{_RFC}|[A-Z]{{2}}{_DATE_AND_REST})", compact(text)):
        return text.removeprefix("RFC").lstrip(" .:-")
    return text


def _is_label(label: re.Match[str], text: str, country: str | None) -> bool:
    """Whether the name of an id before the rest of `text` can mean only that: an RFC may begin with one."""
    rest = text[label.end() :]
    number = compact(_without_name_of_check_digit(rest))
    if re.fullmatch(_RFC, compact(text)) and rest[:1].isdigit() and not label["colon"]:
        # A date and three digits, or the nine digits of a Colombian company.
        return country != "MX" and number.isdigit()
    name = compact(label["name"])
    if label["glued"] is not None or len(name) == 2:
        return name == "CNPJ" or _NUMBER.fullmatch(number) is not None
    return number == "" or any(map(str.isdigit, number))


def _without_country(text: str, country: str | None, is_id_of: Callable[[str, str], bool]) -> str:
    """The text without the two letters of a country before an id of that country, as in a VAT number."""
    prefix = re.match(r"([A-Z]{2})[\s.:/-]*", text)
    if prefix is None or country not in (None, prefix[1]):
        return text
    rest = _without_names(text[prefix.end() :], country)
    return rest if is_id_of(prefix[1], _without_name_of_check_digit(rest)) else text


# With six digits, the name and what follows it could be the end of an RFC.
_NAMED_CHECK_DIGIT = re.compile(
    r"((?:\d[\s.,-]*){6,}\d)[\s,-]*(?:D[./]?\s?V|D[IÍ]GITO(?:\s*DE\s*VERIFICACI[OÓ]N|\s*VERIFICADOR)?)"
    r"[.:\s-]*(\d{0,2})"
)


def _without_name_of_check_digit(text: str) -> str:
    """The text with `-8` for the check digit in `900.123.456 DV 8`, or without the name after `-8 DV`.

    Two digits are those of Panama, which belong to the number as little as their name.
    """
    named = _NAMED_CHECK_DIGIT.fullmatch(text)
    if named is None:
        return text
    number, digit = named.groups()
    if len(digit) != 1 or re.search(rf"-\s*{digit}$", number):
        return number
    return f"{number}-{digit}"
