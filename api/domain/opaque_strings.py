"""The normal form in which passwords are hashed and compared: the profile OpaqueString of RFC 8265.

One password can be typed as several sequences of code points: `ñ` is one or two of them, by keyboard.
"""

import unicodedata

from precis_i18n import get_profile

MAX_LENGTH = 128
"""Characters of the longest password, in its normal form."""

MAX_TYPED_LENGTH = 4 * MAX_LENGTH
"""Code points of the longest text that is normalised: some letters are typed as up to four."""

_OPAQUE_STRING = get_profile("OpaqueString")


def opaque_string(password: str) -> str | None:
    """The password in NFC, with plain spaces; None if it is too long or the profile excludes a character.

    Excluded are control characters, invisible ones, and those that Unicode has not assigned.
    """
    if password.isascii() and password.isprintable():
        return password
    # The profile takes quadratic time for some scripts: 30,000 Arabic digits blocked the process for minutes.
    if is_too_long(password):
        return None
    try:
        return _OPAQUE_STRING.enforce(password)
    except UnicodeEncodeError:
        return None


def is_too_long(password: str) -> bool:
    """Whether the password has more than `MAX_LENGTH` characters in its normal form."""
    # NFC itself takes quadratic time for marks in another order than its own, so the length comes first.
    if len(password) > MAX_TYPED_LENGTH:
        return True
    return len(unicodedata.normalize("NFC", password)) > MAX_LENGTH
