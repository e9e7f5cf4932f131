"""Tax ids: the one form in which a typed one is stored, and the forms under which it is found."""

import re
import unicodedata
from contextlib import suppress
from typing import Any

from stdnum.co import nit
from stdnum.exceptions import InvalidChecksum, ValidationError

from api import typed_text
from api.domain.errors import Problem
from api.observability.logs import get_logger
from api.settings import get_settings
from api.tax_id_kinds import kinds_of

logger = get_logger()

UNPROMISED_CHECK_DIGITS = {"stdnum.ec.ruc", "stdnum.do.rnc", "stdnum.do.cedula"}
"""The kinds of which the authority has issued ids whose check digit is not that of its rule."""

MIN_LENGTH, MAX_LENGTH = 3, 50

_SEPARATORS = re.compile(r"[\s.,/:;_'\u2019\\-]+")

_KNOWN = re.compile("[A-Z0-9Ñ&]+")
"""The characters of tax ids. `&` and Ñ occur in those of Mexico."""


def tax_id(value: str) -> str:
    """A tax id without its label and separators: `NIT: 900.123.456-8` and `900123456-8` are equal.

    With `TAX_ID_COUNTRY` set, it must be of a kind of that country, and has the form in which python-stdnum
    compacts it; a Colombian one has its check digit, whether it was typed or not.
    """
    if len(value) > 4 * MAX_LENGTH:
        raise Problem("TOO_LONG", max=MAX_LENGTH)
    if "\x00" in value or typed_text.has_filler(value):
        raise Problem("INVALID_CHARACTERS")
    country = get_settings().tax_id_country
    folded = _without_label(typed_text.fold(value).upper(), country)
    compact = _SEPARATORS.sub("", folded)
    if not compact:
        raise Problem("REQUIRED")
    if len(compact) < MIN_LENGTH:
        raise Problem("TOO_SHORT", min=MIN_LENGTH)
    if len(compact) > MAX_LENGTH:
        raise Problem("TOO_LONG", max=MAX_LENGTH)
    if country is None:
        # An accent on another letter than N, or a letter of another script, makes an id that looks like one
        # which is taken.
        if not _KNOWN.fullmatch(compact):
            raise Problem("INVALID_TAX_ID")
        return compact
    if country == "CO":
        return _colombian(folded, compact)
    return _of_country(country, folded, compact)


_NAMES = "NIT|RUC|RUT|RNC|CUIT|CUIL|CNPJ|CPF"
_NAME = (
    r"(?:N\.?I\.?T|R\.?[UNF]\.?C|R\.?U\.?T|R\.?I\.?F|R\.?T\.?N|C\.?U\.?I\.?[TL]|C\.?N\.?P\.?J|C\.?P\.?F"
    r"|[NC]\.?I\.?F|D\.?N\.?I|C\.?C|C[EÉ]DULA(?: JUR[IÍ]DICA| DE CIUDADAN[IÍ]A)?|VAT|EIN|TIN|TAX ID|ID FISCAL"
    r"|(?:N[UÚ]MERO DE )?IDENTIFICACI[OÓ]N(?: TRIBUTARIA| FISCAL)?)\.?"
)
_LABEL = re.compile(
    rf"(?P<glued>{_NAMES})(?=\d)"
    rf"|(?P<name>{_NAME}(?:\s*/\s*{_NAME})?)(?<=[A-ZÓ.])(?![A-ZÑ&\d])[\s.-]*"
    r"(?:(?:N\.?[O°]|NRO|N[UÚ]M(?:ERO)?|NUMBER)(?![A-ZÑ&])\.?)?\s*(?P<colon>[:#=]?)"
)
_NUMBER = re.compile(r"[A-Z]?\d+[A-Z]?")
_RFC = re.compile(r"[A-ZÑ&]{3,4}\d{6}[A-Z\d]{3}")


def _without_label(text: str, country: str | None) -> str:
    """The text without the name of the id before it, such as `NIT:` or `R.U.C. No.`.

    An RFC may begin with such a name: it consists of letters of the business, a date and three characters.
    """
    label = _LABEL.match(text)
    if label is not None:
        rest = _without_name_of_check_digit(text[label.end() :].strip(" -"))
        compact = _SEPARATORS.sub("", rest)
        is_number = country != "MX" and _NUMBER.fullmatch(compact)
        if label["colon"] or is_number or (label["name"] and _RFC.fullmatch(compact)):
            return rest
    return _without_name_of_check_digit(text)


# With six digits, the name and what follows it could be the end of an RFC.
_NAMED_CHECK_DIGIT = re.compile(r"((?:\d[\s.,-]*){6,}\d)[\s,-]*D\.?V[.:\s-]*(\d?)")


def _without_name_of_check_digit(text: str) -> str:
    """The text with `-8` for the check digit in `900.123.456 DV 8`, or without the name after `-8 DV`."""
    named = _NAMED_CHECK_DIGIT.fullmatch(text)
    if named is None:
        return text
    return f"{named[1]}-{named[2]}" if named[2] else named[1]


_EXPLICIT_CHECK_DIGIT = re.compile(r"([\d\s.,]+)-\s*(\d)")


def _colombian(folded: str, compact: str) -> str:
    """A NIT with its check digit, which people leave out: a NIT of a company, or a cédula.

    Without a dash, the digits themselves must tell. Companies have nine digits that begin with 8 or 9;
    cédulas have up to eight, or ten that begin with 1.
    """
    explicit = _EXPLICIT_CHECK_DIGIT.fullmatch(folded)
    if explicit:
        number, digit = _SEPARATORS.sub("", explicit[1]), explicit[2]
        if not 3 <= len(number) <= 15 or nit.calc_check_digit(number) != digit:
            raise Problem("INVALID_TAX_ID")
        return number + digit
    if not (compact.isascii() and compact.isdigit()):
        raise Problem("INVALID_TAX_ID")
    if re.fullmatch(r"[89]\d{8}|1\d{9}", compact):
        return compact + nit.calc_check_digit(compact)
    if nit.is_valid(compact):
        return compact
    if 5 <= len(compact) <= 9:
        return compact + nit.calc_check_digit(compact)
    raise Problem("INVALID_TAX_ID")


def _of_country(country: str, folded: str, compact: str) -> str:
    for module in kinds_of(country):
        # Some modules need the dashes to read the number, others do not know dots.
        for text in (folded, compact):
            try:
                return module.validate(text).upper()
            except InvalidChecksum:
                if _is_issued_without(module, compact):
                    logger.warning(
                        "a tax id was accepted although its check digit is wrong", kind=module.__name__
                    )
                    return compact
            except ValidationError:
                continue
    raise Problem("INVALID_TAX_ID")


def _is_issued_without(module: Any, compact: str) -> bool:
    """Whether the authority issues such ids without a valid check digit."""
    if module.__name__ == "stdnum.ec.ruc":
        # Those of companies; persons and the state have valid ones.
        return compact[2] == "9"
    return module.__name__ in UNPROMISED_CHECK_DIGITS


def equal_ids(stored: str) -> list[str]:
    """The forms in which the tenant of the id `stored` may be stored already: no second one may have them.

    A Colombian id may have been stored without its check digit, before `TAX_ID_COUNTRY` was set.
    """
    return [stored, stored[:-1]] if get_settings().tax_id_country == "CO" else [stored]


def lookup_forms(typed: str) -> list[str]:
    """The stored ids that a typed one can mean, the most likely first; none for a text that is not an id.

    A stored id may be of the time before `TAX_ID_COUNTRY` was set, or before labels were dropped. Without a
    country, the id of a Colombian company is found with and without its check digit.
    """
    # Checked first: NFKC takes quadratic time for marks in another order than its own.
    if len(typed) > 4 * MAX_LENGTH:
        return []
    folded = typed_text.fold(typed).upper()
    plain = _without_label(folded, None)
    forms = [_SEPARATORS.sub("", plain), letters_and_digits(folded)]
    with suppress(Problem):
        forms.insert(0, tax_id(typed))
    forms += [f"{name}{form}" for form in forms[:] if form.isdigit() for name in _NAMES.split("|")]
    if get_settings().tax_id_country in (None, "CO"):
        forms += [other for form in forms[:] for other in _with_and_without_check_digit(form)]
    return [form for form in dict.fromkeys(forms) if form and form.isprintable()]


def _with_and_without_check_digit(form: str) -> list[str]:
    if re.fullmatch(r"[89]\d{8}|1\d{9}", form):
        return [form + nit.calc_check_digit(form)]
    if re.fullmatch(r"\d{6,11}", form) and nit.calc_check_digit(form[:-1]) == form[-1]:
        return [form[:-1]]
    return []


def letters_and_digits(text: str) -> str:
    """The letters and digits of `text` in NFKC and upper case: the form in which ids were stored before."""
    folded = unicodedata.normalize("NFKC", text).upper()
    return "".join(character for character in folded if character.isalnum())
