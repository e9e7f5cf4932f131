"""The normal form in which passwords are hashed and compared: the profile OpaqueString of RFC 8265.

One password can be typed as several sequences of code points: `ñ` is one or two of them, by keyboard.
"""

from precis_i18n import get_profile

_OPAQUE_STRING = get_profile("OpaqueString")


def opaque_string(password: str) -> str | None:
    """The password in NFC, with plain spaces; None if it has characters that the profile excludes.

    These are control characters, invisible ones, and those that Unicode has not assigned.
    """
    if password.isascii() and password.isprintable():
        return password
    try:
        return _OPAQUE_STRING.enforce(password)
    except UnicodeEncodeError:
        return None
