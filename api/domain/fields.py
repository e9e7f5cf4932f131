"""Fields of input: each cleaner returns the value to store, or raises `Problem`.

Forms consist of the field types at the end (see `api.domain.forms`); each rule is written here once.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, TypeVar, cast

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BeforeValidator, Field
from stdnum import get_cc_module
from stdnum.exceptions import ValidationError as TaxIdError

from api.domain.business_types import BusinessType
from api.domain.errors import FieldProblem, InvalidArgument, InvalidInput
from api.settings import get_settings

T = TypeVar("T")


class Problem(ValueError):
    """A value is not valid; `limits` fill the message of `code`, such as {"max": 60}."""

    def __init__(self, code: str, **limits: int) -> None:
        super().__init__(code)
        self.code = code
        self.limits = limits


def input_field(name: str, clean: Callable[[str], T], value: str) -> T:
    """Clean the only field of an input that needs it. Raises `InvalidInput`."""
    try:
        return clean(value)
    except Problem as problem:
        raise InvalidInput([FieldProblem(name, problem.code, problem.limits)]) from None


def argument(name: str, clean: Callable[[str], T], value: str) -> T:
    """Clean one argument that belongs to no form. Raises `InvalidArgument`."""
    try:
        return clean(value)
    except Problem as problem:
        raise InvalidArgument(name, problem.code, **problem.limits) from None


def text(max_length: int, min_length: int = 1) -> Callable[[str], str]:
    """One line of `min_length` to `max_length` characters, in NFC, with white space collapsed."""

    def clean(value: str) -> str:
        # Checked first, so that a huge text is not normalised before it is refused.
        if len(value) > 4 * max_length:
            raise Problem("TOO_LONG", max=max_length)
        value = unicodedata.normalize("NFC", value).strip()
        if not _all_printable(value):
            raise Problem("INVALID_CHARACTERS")
        value = " ".join(value.split())
        if not any(map(_is_visible, value)):
            raise Problem("REQUIRED")
        if len(value) < min_length:
            raise Problem("TOO_SHORT", min=min_length)
        if len(value) > max_length:
            raise Problem("TOO_LONG", max=max_length)
        return value

    return clean


def _all_printable(value: str) -> bool:
    # Importing a million lines spends most of its time here; most lines are ASCII.
    return (value.isascii() and value.isprintable()) or all(map(_is_printable, value))


# Persian, Hindi and others spell words with zero-width (non-)joiners; alone they are invisible.
_JOINERS = "\u200c\u200d"


def _is_printable(character: str) -> bool:
    """Whether a character belongs in a name or an address: no controls, no emoji, nothing unassigned."""
    match unicodedata.category(character):
        case "Cc" | "Cf" | "Cn" | "Co" | "Cs" | "Zl" | "Zp" | "Me":
            return character in _JOINERS
        case "So":
            # Symbols before the arrows occur in addresses and company names: ° © ® № ™.
            return character < "\u2190"
        case "Sk" | "Mn":
            # Refuses skin tones and the variation selectors that turn a symbol into an emoji.
            return character < "\ufe00" or "\ufe20" <= character < "\U0001f000"
        case _:
            return True


def can_be_stored(value: str) -> bool:
    """Whether PostgreSQL can store a text: it rejects NUL and lone surrogates."""
    return "\x00" not in value and not any("\ud800" <= character <= "\udfff" for character in value)


def _is_visible(character: str) -> bool:
    """Whether a character is visible; the Hangul fillers are letters by category, but blank."""
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
    # Domain rules take most of the time, and an imported file of a million addresses has few domains.
    return f"{plain[1]}@{_normalized_domain(plain[2])}"


@lru_cache(maxsize=1024)
def _normalized_domain(domain: str) -> str:
    return validate_email(f"x@{domain}", check_deliverability=False).domain


def instant(value: str) -> datetime:
    """A time in ISO 8601, such as 2027-01-31 or 2027-01-31T12:00Z; UTC where it has no offset."""
    try:
        time = datetime.fromisoformat(value.strip())
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        # In the years 1 and 9999, conversion to UTC can leave the range of `datetime`.
        raise Problem("INVALID_TIME") from None


def future(value: datetime) -> datetime:
    """A time in the future."""
    if value <= datetime.now(UTC):
        raise Problem("IN_THE_PAST")
    return value


def whole_number(minimum: int, maximum: int | None = None) -> Callable[[int], int]:
    """An integer from `minimum` to `maximum`, both included. None does not limit it."""

    def clean(value: int) -> int:
        if value < minimum:
            raise Problem("TOO_SMALL", min=minimum)
        if maximum is not None and value > maximum:
            raise Problem("TOO_LARGE", max=maximum)
        return value

    return clean


def email_as_registered(value: str) -> str:
    """The address as registration stores it; adopted databases hold invalid ones, which stay as typed."""
    try:
        return user_email(value)
    except Problem:
        return value.strip()


_PHONE = re.compile(r"\+?[\d \xa0().\-/\u2010-\u2015]+", re.ASCII)


def phone(value: str) -> str:
    """A phone number in E.164; without a country code, it belongs to `PHONE_REGION`."""
    # `phonenumbers` finds a number in almost any text.
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
    """A tax id without punctuation, so that `900.123.456-8` and `900123456-8` are equal.

    With `TAX_ID_COUNTRY` set, it must be valid in that country, check digit included.
    """
    value = text(max_length=50, min_length=3)(value)
    country = get_settings().tax_id_country
    if country is not None:
        try:
            value = cast("Any", get_cc_module(country, "vat")).validate(value)
        except TaxIdError:
            raise Problem("INVALID_TAX_ID") from None
    compact = letters_and_digits(value)
    # Measured again, because folding changes the length: ß becomes SS.
    if len(compact) < 3:
        raise Problem("TOO_SHORT", min=3)
    if len(compact) > 50:
        raise Problem("TOO_LONG", max=50)
    return compact


def letters_and_digits(text: str) -> str:
    """The letters and digits of `text` in NFKC and upper case, so that full-width digits become ASCII."""
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


user_email = email(120)
reason = text(500)
key_notes = text(500)
batch = text(60)

BusinessName = Annotated[str, AfterValidator(text(200))]
BusinessTypeName = Annotated[str, AfterValidator(business_type)]
TaxId = Annotated[str, AfterValidator(tax_id)]
Address = Annotated[str, AfterValidator(text(500))]
BusinessEmail = Annotated[str, AfterValidator(email(100))]
PersonName = Annotated[str, AfterValidator(text(60))]
DocumentId = Annotated[str, AfterValidator(text(20))]
UserEmail = Annotated[str, AfterValidator(user_email)]
KeyNotes = Annotated[str, AfterValidator(key_notes)]
Batch = Annotated[str, AfterValidator(batch)]
FutureTime = Annotated[datetime, AfterValidator(future)]
Phone = Annotated[str, AfterValidator(phone)]
# Left out of the form's repr, which may reach a log.
Password = Annotated[str, AfterValidator(password), Field(repr=False)]


def _none_if_blank(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


NoneIfBlank = Annotated[T | None, BeforeValidator(_none_if_blank)]
"""An optional field: null and blank text both mean that it has no value."""
