"""Input fields: what people type, made into what is stored, or a problem that names the field."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar, cast

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from stdnum import get_cc_module
from stdnum.exceptions import ValidationError as TaxIdError

from api.domain.business_types import BusinessType
from api.domain.errors import FieldProblem, InvalidArgument, InvalidInput
from api.settings import get_settings

T = TypeVar("T")


class Problem(Exception):
    """One value is not acceptable; `Fields` adds whose it is."""

    def __init__(self, code: str, **limits: int) -> None:
        super().__init__(code)
        self.code = code
        self.limits = limits


class Fields:
    """Collects the problems of one input, so that all of them are told at once.

    `read("email", email, given.email)` is the cleaned value, or None with the problem kept;
    `read.check()` raises `InvalidInput` if there was any.
    """

    def __init__(self, problems: Iterable[FieldProblem] = ()) -> None:
        self._problems = list(problems)

    def __call__(self, name: str, clean: Callable[[Any], T], value: Any) -> T:
        try:
            return clean(value)
        except Problem as problem:
            # A field that was unreadable is told as that, and not as empty too.
            if all(name != known.name for known in self._problems):
                self._problems.append(FieldProblem(name, problem.code, problem.limits))
            # Never used: check() raises before anything is done with the values.
            return None  # pyright: ignore[reportReturnType]

    def optional(self, name: str, clean: Callable[[Any], T], value: Any) -> T | None:
        """As for any field, but absent and blank both mean that there is no value."""
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        return self(name, clean, value)

    def check(self) -> None:
        if self._problems:
            raise InvalidInput(self._problems)


def argument(name: str, clean: Callable[[str], T], value: str) -> T:
    """An argument that stands by itself, cleaned. Raises `InvalidArgument`."""
    try:
        return clean(value)
    except Problem as problem:
        raise InvalidArgument(name, problem.code, **problem.limits) from None


def text(max_length: int, min_length: int = 1) -> Callable[[str], str]:
    """One line of text of `min_length` to `max_length` characters, in NFC, with its white space tidied."""

    def clean(value: str) -> str:
        # Measured before anything walks over it: normalising a huge text is work for nothing.
        if len(value) > 4 * max_length:
            raise Problem("TOO_LONG", max=max_length)
        value = unicodedata.normalize("NFC", value).strip()
        if not _all_printable(value):
            raise Problem("INVALID_CHARACTERS")
        value = " ".join(value.split())
        if not any(map(_shows, value)):
            raise Problem("REQUIRED")
        if len(value) < min_length:
            raise Problem("TOO_SHORT", min=min_length)
        if len(value) > max_length:
            raise Problem("TOO_LONG", max=max_length)
        return value

    return clean


def _all_printable(value: str) -> bool:
    # Character by character takes long in a file of a million lines, most of which are plain.
    return (value.isascii() and value.isprintable()) or all(map(_is_printable, value))


# Zero-width (non-)joiners spell words of Persian, Hindi and others; alone they show nothing.
_JOINERS = "\u200c\u200d"


def _is_printable(character: str) -> bool:
    """Whether a character belongs in a name or an address: no controls, no emoji, nothing unassigned."""
    match unicodedata.category(character):
        case "Cc" | "Cf" | "Cn" | "Co" | "Cs" | "Zl" | "Zp" | "Me":
            return character in _JOINERS
        case "So":
            # Below the arrows stand signs that addresses and company names use: ° © ® № ™.
            return character < "\u2190"
        case "Sk" | "Mn":
            # Skin tones and the variation selectors that turn a sign into an emoji.
            return character < "\ufe00" or "\ufe20" <= character < "\U0001f000"
        case _:
            return True


def can_be_stored(value: str) -> bool:
    """Whether PostgreSQL takes a text at all: it knows neither NUL nor lone surrogates."""
    return "\x00" not in value and not any("\ud800" <= character <= "\udfff" for character in value)


def _shows(character: str) -> bool:
    """Whether a character leaves ink; Hangul has fillers that count as letters and leave none."""
    return unicodedata.category(character)[0] in "LNPS" and character not in "\u115f\u1160\u3164\uffa0"


def email(max_length: int) -> Callable[[str], str]:
    """An email address as `email-validator` normalises it, without asking DNS."""

    def clean(value: str) -> str:
        if len(value) > 4 * max_length:
            raise Problem("TOO_LONG", max=max_length)
        if not value.strip():
            raise Problem("REQUIRED")
        try:
            address = _normalized_email(value.strip())
        except EmailNotValidError:
            raise Problem("INVALID_EMAIL") from None
        if not _all_printable(address):
            raise Problem("INVALID_EMAIL")
        if len(address) > max_length:
            raise Problem("TOO_LONG", max=max_length)
        return address

    return clean


_PLAIN_EMAIL = re.compile(r"((?:[a-z0-9_+-]+\.)*[a-z0-9_+-]+)@([A-Za-z0-9.-]+)", re.ASCII)


def _normalized_email(value: str) -> str:
    """Raises `EmailNotValidError`."""
    plain = _PLAIN_EMAIL.fullmatch(value)
    if plain is None or len(plain[1]) > 64:
        return validate_email(value, check_deliverability=False).normalized
    # The rules for domains take most of the time, and a file of a million addresses has few domains.
    return f"{plain[1]}@{_normalized_domain(plain[2])}"


@lru_cache(maxsize=1024)
def _normalized_domain(domain: str) -> str:
    return validate_email(f"x@{domain}", check_deliverability=False).domain


def instant(written: str) -> datetime:
    """A moment in ISO 8601, such as 2027-01-31 or 2027-01-31T12:00Z; in UTC unless it says otherwise."""
    try:
        moment = datetime.fromisoformat(written.strip())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        # At the ends of the calendar a moment with an offset may be of no year in UTC.
        raise Problem("INVALID_TIME") from None


def future(value: datetime) -> datetime:
    """A moment that is still to come."""
    if value <= datetime.now(UTC):
        raise Problem("IN_THE_PAST")
    return value


def whole_number(least: int, most: int) -> Callable[[int], int]:
    """A number from `least` to `most`."""

    def clean(value: int) -> int:
        if value < least:
            raise Problem("TOO_SMALL", min=least)
        if value > most:
            raise Problem("TOO_LARGE", max=most)
        return value

    return clean


def email_as_registered(value: str) -> str:
    """An address as registration stores it; an adopted database may hold it as it was typed."""
    try:
        return email(120)(value)
    except Problem:
        return value.strip()


_PHONE = re.compile(r"\+?[\d \xa0().\-/\u2010-\u2015]+", re.ASCII)


def phone(value: str) -> str:
    """A phone number in E.164; one without a country code is of `PHONE_REGION`."""
    # The library reads a number out of almost any text.
    if len(value) > 40 or not _PHONE.fullmatch(value.strip(" \xa0")):
        raise Problem("INVALID_PHONE")
    try:
        number = phonenumbers.parse(value, get_settings().phone_region)
    except phonenumbers.NumberParseException:
        raise Problem("INVALID_PHONE") from None
    if not phonenumbers.is_valid_number(number):
        raise Problem("INVALID_PHONE")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def business_type(value: str) -> str:
    """The name of a `BusinessType`."""
    if not value.strip():
        raise Problem("REQUIRED")
    if (known := BusinessType.read(value[:100])) is None:
        raise Problem("INVALID_CHOICE")
    return known.value


def tax_id(value: str) -> str:
    """A tax id as letters and digits alone, so that `900.123.456-8` and `900123456-8` are one.

    With `TAX_ID_COUNTRY` it must be one of that country, check digit included.
    """
    value = text(max_length=50, min_length=3)(value)
    country = get_settings().tax_id_country
    if country is not None:
        try:
            value = cast("Any", get_cc_module(country, "vat")).validate(value)
        except TaxIdError:
            raise Problem("INVALID_TAX_ID") from None
    # Folded after all else, because a sharp s grows when it is capitalised.
    compact = letters_and_digits(value)
    if len(compact) < 3:
        raise Problem("TOO_SHORT", min=3)
    if len(compact) > 50:
        raise Problem("TOO_LONG", max=50)
    return compact


def letters_and_digits(text: str) -> str:
    """`text` in capitals, without all that is neither letter nor digit; full-width digits are digits."""
    folded = unicodedata.normalize("NFKC", text).upper()
    return "".join(character for character in folded if character.isalnum())


def password(value: str) -> str:
    """8 to 128 characters with a lower-case and an upper-case letter, a digit and a special character."""
    if len(value) < 8:
        raise Problem("TOO_SHORT", min=8)
    if len(value) > 128:
        raise Problem("TOO_LONG", max=128)
    if not (
        any(character.islower() for character in value)
        and any(character.isupper() for character in value)
        and any(character.isdigit() for character in value)
        and any(not character.isalnum() for character in value)
    ):
        raise Problem("WEAK_PASSWORD")
    return value
