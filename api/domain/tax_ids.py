"""Tax ids: the one form in which a typed one is stored, and which stored ones it can mean."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress

from stdnum.au import abn, acn
from stdnum.co import nit
from stdnum.ec import ci
from stdnum.exceptions import InvalidChecksum, ValidationError
from stdnum.se import orgnr

from api import typed_text
from api.domain.errors import Problem
from api.domain.tax_id_labels import compact, without_labels
from api.observability.logs import get_logger
from api.settings import get_settings
from api.tax_id_kinds import Kind, kinds_of

logger = get_logger()

UNPROMISED_CHECK_DIGITS = {"ec.ruc", "do.rnc", "do.cedula", "gt.cui"}
"""The kinds of which the authority has issued ids whose check digit is not that of its rule."""

MIN_LENGTH, MAX_LENGTH = 3, 50

_ROUNDED = re.compile(r"[1-9][.,][0-9]+E\+?[0-9]{1,2}")
"""What a spreadsheet shows of a long number in a narrow column, such as `9.00123E8`: digits are lost."""

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
    plain = _plain(value, country)
    short = compact(plain)
    if not short:
        raise Problem("REQUIRED")
    if len(short) < MIN_LENGTH:
        raise Problem("TOO_SHORT", min=MIN_LENGTH)
    if len(short) > MAX_LENGTH:
        raise Problem("TOO_LONG", max=MAX_LENGTH)
    if country is not None:
        stored, kind_without_check_digit = _read(country, plain)
        if kind_without_check_digit is not None:
            logger.warning(
                "a tax id was accepted although its check digit is wrong", kind=kind_without_check_digit.name
            )
        return stored
    # An accent on another letter than N, or a letter of another script, makes an id that looks like one which
    # is taken.
    if not _KNOWN.fullmatch(short) or _ROUNDED.fullmatch(plain):
        raise Problem("INVALID_TAX_ID")
    return short


def _plain(text: str, country: str | None) -> str:
    """The text folded, in capitals, without labels and what a spreadsheet makes of a number."""
    return typed_text.without_cell_marks(without_labels(typed_text.fold(text).upper(), country, _is_id_of))


def _is_id_of(country: str, text: str) -> bool:
    with suppress(Problem):
        _read(country, text)
        return True
    return False


def _read(country: str, plain: str) -> tuple[str, Kind | None]:
    """An id of a country as it is stored, and its kind if its check digit is wrong and not promised."""
    if country == "CO":
        return _colombian(plain), None
    short = compact(plain)
    for kind in kinds_of(country):
        # Some modules need the dashes to read the number, others do not know dots.
        for text in (plain, short):
            try:
                return kind.validate(text).upper(), None
            except InvalidChecksum:
                if _is_issued_without(kind, short):
                    return short, kind
            except ValidationError:
                continue
    raise Problem("INVALID_TAX_ID")


def _is_issued_without(kind: Kind, short: str) -> bool:
    """Whether the authority issues such ids without a valid check digit."""
    if kind.name == "ec.ruc":
        # Those of companies; persons and the state have valid ones.
        return short[2] == "9"
    return kind.name in UNPROMISED_CHECK_DIGITS


_EXPLICIT_CHECK_DIGIT = re.compile(r"([\d\s.,]+)-\s*(\d)")


def _colombian(plain: str) -> str:
    """A NIT with its check digit, which people leave out: a NIT of a company, or a cédula.

    Without a dash, the digits themselves must tell. Companies have nine digits that begin with 8 or 9;
    cédulas have up to eight, or ten that begin with 1.
    """
    explicit = _EXPLICIT_CHECK_DIGIT.fullmatch(plain)
    if explicit:
        number, digit = compact(explicit[1]), explicit[2]
        if not 3 <= len(number) <= 15 or nit.calc_check_digit(number) != digit:
            raise Problem("INVALID_TAX_ID")
        return number + digit
    short = compact(plain)
    if not (short.isascii() and short.isdigit()):
        raise Problem("INVALID_TAX_ID")
    if _WITHOUT_CHECK_DIGIT.fullmatch(short):
        return short + nit.calc_check_digit(short)
    if nit.is_valid(short):
        return short
    if 5 <= len(short) <= 9:
        return short + nit.calc_check_digit(short)
    raise Problem("INVALID_TAX_ID")


_WITHOUT_CHECK_DIGIT = re.compile(r"[89]\d{8}|1\d{9}", re.ASCII)


def equal_ids(nit: str) -> list[str]:
    """The ids under which a business with the id `nit` can be registered already, `nit` itself first."""
    country = get_settings().tax_id_country
    return list(dict.fromkeys([nit, *_other_ids(nit, country)]))


def concurrent_ids(nit: str) -> list[str]:
    """The ids of one business that `tax_id` stores as they are, in order; `nit` alone for most.

    The unique index of `tenants` lets two of them in.
    """
    country = get_settings().tax_id_country
    if country is None:
        return [nit]
    others = [one for one in equal_ids(nit)[1:] if _is_stored_as_it_is(country, one)]
    return sorted([nit, *others])


def _is_stored_as_it_is(country: str, nit: str) -> bool:
    with suppress(Problem):
        return _read(country, nit)[0] == nit
    return False


def lookup_forms(typed: str) -> list[str]:
    """The ids that a typed text can mean, the most likely first; none for a text that is not an id.

    Without a country, the id of a Colombian company is found with and without its check digit.
    """
    # Checked first: NFKC takes quadratic time for marks in another order than its own.
    if len(typed) > 4 * MAX_LENGTH:
        return []
    forms = list(_readings(typed))
    country = get_settings().tax_id_country or "CO"
    forms += [other for form in forms[:] for other in _other_ids(form, country)]
    return [form for form in dict.fromkeys(forms) if form]


def _other_ids(form: str, country: str | None) -> list[str]:
    """The same id with or without its check digit, or another one that contains the same number.

    In Ecuador that is the cédula of a person and the RUC, in Australia the ACN and the ABN of a company, and
    in Sweden an organisation's number and the VAT number that older versions stored.
    """
    others: list[str] = []
    if country == "CO":
        # Also the digits of a cédula that end in a check digit by chance: registered first, it is found.
        if re.fullmatch("[0-9]{5,9}|1[0-9]{9}", form):
            others.append(form + nit.calc_check_digit(form))
        if re.fullmatch("[0-9]{4,16}", form) and nit.calc_check_digit(form[:-1]) == form[-1]:
            others.append(form[:-1])
    if country == "EC":
        if ci.is_valid(form):
            others.append(f"{form}001")
        if form.endswith("001") and ci.is_valid(form[:-3]):
            others.append(form[:-3])
    if country == "AU":
        if acn.is_valid(form):
            others.append(acn.to_abn(form))
        if abn.is_valid(form) and acn.is_valid(form[2:]):
            others.append(form[2:])
    if country == "SE" and orgnr.is_valid(form):
        others.append(f"{form}01")
    return others


def digits_of(forms: Iterable[str]) -> list[str]:
    """What `tenants."taxIdDigits"` has for ids of these forms, however they are spelled.

    The trigger `set_tax_id_digits` sets that column.
    """
    all_digits = ("".join(re.findall("[0-9]", form)) for form in forms)
    return list(dict.fromkeys(digits for digits in all_digits if digits))


def rank(stored: str, forms: Iterable[str]) -> int | None:
    """The place in `forms` of the first one that a stored id means; None if it means none of them.

    Older versions stored ids with their label, with digits of other scripts, with invisible letters, and
    without the `&` of Mexican ones. An id may also be of the time before `TAX_ID_COUNTRY` was set.
    """
    readings = list(dict.fromkeys([stored, *_readings(stored)]))
    for place, form in enumerate(forms):
        if any(_are_equal(reading, form) for reading in readings):
            return place
    return None


def _readings(text: str) -> Iterator[str]:
    """The forms that `tax_id` gives or gave a text, also one that it refuses now."""
    plain, country = _plain_without_rules(text), get_settings().tax_id_country
    if country is not None:
        with suppress(Problem):
            yield _read(country, plain)[0]
            return
    yield _letters_and_digits(plain)


def without_rules(text: str) -> str:
    """The id in a text that `tax_id` refuses: its letters, digits and `&`, without labels."""
    return _letters_and_digits(_plain_without_rules(text))


def _letters_and_digits(plain: str) -> str:
    return "".join(one for one in plain if one.isalnum() or one == "&")


def _plain_without_rules(text: str) -> str:
    visible = "".join(filter(_is_visible, text))
    return _plain(visible, get_settings().tax_id_country)


def _is_visible(character: str) -> bool:
    """Modifier letters are letters for Unicode, such as U+02BC, but look like an apostrophe."""
    return not typed_text.has_filler(character) and unicodedata.category(character) not in ("Lm", "Cc")


def _are_equal(one: str, other: str) -> bool:
    """Whether two ids are equal, or one of them lacks the `&` or the dashes that the other has."""
    for mark in "&-":
        if (mark in one) != (mark in other):
            one, other = one.replace(mark, ""), other.replace(mark, "")
    return one == other
