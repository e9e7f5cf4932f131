"""Phone numbers: reading a typed one in any notation."""

import re

import phonenumbers

from api import typed_text
from api.domain.errors import Problem
from api.settings import get_settings

MAX_TYPED_LENGTH = 100

# `phonenumbers` finds a number in almost any text.
_PHONE = re.compile(
    # A symbol of a telephone, marks of bold, quotes, or the sign that Excel puts before a text.
    r"(?:[^\w+(\x00-\x08\x0e-\x1f\x7f]|_)*"
    r"(?:(?:TEL(?:[EÉ]FONO|EPHONE)?|CEL(?:ULAR)?|M[OÓ]VIL|MOBILE|PHONE|WHATSAPP|FAX|FIJO|OFIC(?:INA)?)"
    r"[.:/\s*]*(?:N(?:[O°]|RO)[.:]*)?){0,3}\s*"
    r"(?P<number>[+(]{0,2}\s*\d[\d\s().\-/_\u00b7\u2022]*)"
    r"(?:[,;]?\s*(?:EXT(?:ENSI[OÓ]N|N)?|INT(?:ERNO)?|ANEXO|X|#)\s*[.:=\-]*\s*(?P<extension>\d{1,7})\)?)?"
    r"(?:\s*\(?WHATSAPP\)?)?"
    r"[^\w)\x00-\x08\x0e-\x1f\x7f]*_?",
    re.IGNORECASE,
)

_WHATSAPP_LINK = re.compile(
    r"(?:https?://)?(?:wa\.me/|api\.whatsapp\.com/send/?\?phone=)\+?(\d+)(?:[/?&].*)?", re.IGNORECASE
)

# The digit that is dialled within some countries only: `+57 (0) 300 …`.
_INNER_ZERO = re.compile(r"(\+\d{1,3}\s*)\(0\)")

# Until 2019, a 1 came after the country code of Mexico for mobile numbers; WhatsApp shows it to this day.
_OLD_MEXICAN = re.compile(r"\+521(\d{10})")
# Until 2021, the area code of a fixed line in Colombia had one digit, which follows 60 now.
_OLD_COLOMBIAN = re.compile(r"\+57([124-8]\d{7})")
_OLD_MEXICAN_PREFIX = re.compile(r"(?:01|04[45]|1)(\d{10})")


def phone(value: str) -> str:
    """A phone number in E.164; without a country code, it belongs to `PHONE_REGION`.

    An extension follows as in RFC 3966: `+576015551234;ext=12`.
    """
    if len(value) > MAX_TYPED_LENGTH:
        raise Problem("INVALID_PHONE")
    folded = typed_text.without_cell_marks(typed_text.fold(value))
    if link := _WHATSAPP_LINK.fullmatch(folded):
        folded = f"+{link[1]}"
    match = _PHONE.fullmatch(folded)
    if match is None:
        raise Problem("INVALID_PHONE")
    number = _number(match["number"])
    return f"{number};ext={match['extension']}" if match["extension"] else number


def _number(typed: str) -> str:
    """The number in E.164. Raises `Problem`."""
    region = get_settings().phone_region
    digits = "".join(character for character in typed if character in "+0123456789")
    typed = re.sub(r"\+\s+", "+", re.sub("[_\u00b7\u2022]", " ", typed))
    attempts = [typed, _INNER_ZERO.sub(r"\1", typed)]
    international = _international(digits)
    if old := _OLD_MEXICAN.fullmatch(international):
        attempts.append(f"+52{old[1]}")
    if old := _OLD_COLOMBIAN.fullmatch(international):
        attempts.append(f"+5760{old[1]}")
    if region == "MX" and (old := _OLD_MEXICAN_PREFIX.fullmatch(digits)):
        attempts.append(f"+52{old[1]}")
    if international:
        attempts.append(international)
    for attempt in attempts:
        try:
            number = phonenumbers.parse(attempt, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    raise Problem("INVALID_PHONE")


def _international(digits: str) -> str:
    """The digits with `+` before the country code, which people leave out; empty without a country code.

    Without a sign for it, only codes of Latin America count, which begin with 5: a mobile number of Colombia
    with a digit too many can be one of the Netherlands.
    """
    if digits.startswith("+"):
        return digits
    if digits.startswith("00"):
        return f"+{digits[2:]}"
    return f"+{digits}" if digits.startswith("5") and len(digits) >= 11 else ""
