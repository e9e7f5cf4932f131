"""Fields of input: each cleaner returns the value to store, or raises `Problem`.

Forms consist of the field types at the end (see `api.domain.forms`); each rule is written here once.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from api import typed_text
from api.database.clock import database_time
from api.domain import times
from api.domain.business_types import BusinessType
from api.domain.email_addresses import email, user_email
from api.domain.errors import FieldProblem, InvalidArgument, InvalidInput, Problem
from api.domain.password_rules import meets_old_rule, new_password, require_impersonal
from api.domain.phone_numbers import phone
from api.domain.tax_ids import tax_id
from api.domain.web_addresses import has_address

T = TypeVar("T")


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


_LINE_BREAKS = re.compile("[\t\n\r\u0085\u2028\u2029]+")
"""An address of two lines and the cells of a spreadsheet are pasted with them."""


def text(max_length: int, min_length: int = 1, *, joins_lines: bool = True) -> Callable[[str], str]:
    """One line of `min_length` to `max_length` characters, cleaned, with white space collapsed.

    Without `joins_lines`, a text of several lines is refused.
    """

    def clean(value: str) -> str:
        # Checked first, so that a huge text is not normalised before it is refused.
        if len(value) > 4 * max_length:
            raise Problem("TOO_LONG", max=max_length)
        value = typed_text.clean(value)
        if joins_lines:
            value = _LINE_BREAKS.sub(" ", value)
        if not typed_text.is_readable(value):
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


def name(max_length: int) -> Callable[[str], str]:
    """The name of a person or a business: one line without web addresses, because mails repeat it."""
    read = text(max_length, joins_lines=False)

    def clean(value: str) -> str:
        value = read(value)
        if has_address(value):
            raise Problem("WEB_ADDRESS")
        return value

    return clean


def can_be_stored(value: str) -> bool:
    """Whether PostgreSQL can store a text: it rejects NUL and lone surrogates."""
    return "\x00" not in value and not any("\ud800" <= character <= "\udfff" for character in value)


def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNPS"


def _last_instant(value: object) -> object:
    """A day is given as a `date`, and means all of it."""
    return times.end(value) if isinstance(value, date) else value


def future(value: datetime) -> datetime:
    """A time in the future, by the clock of the database."""
    if value <= database_time():
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


def business_type(value: str) -> str:
    """The name of a `BusinessType`."""
    value = typed_text.clean(value[:200])
    if not value:
        raise Problem("REQUIRED")
    if (known := BusinessType.read(value)) is None:
        raise Problem("INVALID_CHOICE")
    return known.value


def password_for(*texts: str | None) -> Callable[[str], str]:
    """A new password for a person about whom `texts` are known: see `api.domain.password_rules`."""

    def check(value: str) -> str:
        new_password(value)
        require_impersonal(value, texts)
        return value

    return check


_PERSONAL = (
    "email",
    "firstName",
    "lastName",
    "businessName",
    "documentId",
    "phoneNumber",
    "businessPhone",
    "nit",
)
"""The fields of a form that its password may not be made of."""


def _password_of_form(value: str, info: ValidationInfo) -> str:
    return password_for(*_personal_texts(info))(value)


def _password_of_old_form(value: str, info: ValidationInfo) -> str:
    new_password(value, old_client=True)
    # The old front end shows only the old rule, so its users could not tell why a password that meets it is
    # refused.
    if not meets_old_rule(value):
        require_impersonal(value, _personal_texts(info))
    return value


def _personal_texts(info: ValidationInfo) -> list[str]:
    """The texts of the form, as typed: also those that are not valid themselves."""
    typed = [(info.context or {}).get(name) for name in _PERSONAL]
    return [text for text in typed if isinstance(text, str)]


def document_id(value: str) -> str:
    """The number of an identity document, folded to ASCII; 1 to 20 characters."""
    return _document_id(typed_text.without_cell_marks(typed_text.fold(value[:100])))


_document_id = text(20)

reason = text(500)
key_notes = text(500)
batch = text(60)


def batch_as_stored(typed: str) -> str:
    """A batch by which keys are looked up, as issuing stores it."""
    try:
        return batch(typed)
    except Problem:
        return typed


BusinessName = Annotated[str, AfterValidator(name(200))]
BusinessTypeName = Annotated[str, AfterValidator(business_type)]
TaxId = Annotated[str, AfterValidator(tax_id)]
Address = Annotated[str, AfterValidator(text(500))]
BusinessEmail = Annotated[str, AfterValidator(email(100))]
PersonName = Annotated[str, AfterValidator(name(60))]
DocumentId = Annotated[str, AfterValidator(document_id)]
UserEmail = Annotated[str, AfterValidator(user_email)]
KeyNotes = Annotated[str, AfterValidator(key_notes)]
Batch = Annotated[str, AfterValidator(batch)]
FutureTime = Annotated[datetime, BeforeValidator(_last_instant), AfterValidator(future)]
Phone = Annotated[str, AfterValidator(phone)]
# Left out of the form's repr, which may reach a log.
Password = Annotated[str, AfterValidator(_password_of_form), Field(repr=False)]
OldPassword = Annotated[str, AfterValidator(_password_of_old_form), Field(repr=False)]


def _none_if_blank(value: Any) -> Any:
    return None if isinstance(value, str) and typed_text.is_blank(value) else value


NoneIfBlank = Annotated[T | None, BeforeValidator(_none_if_blank)]
"""An optional field: null and blank text both mean that it has no value."""
