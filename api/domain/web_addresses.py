"""Web addresses in names: mails repeat names, so a name with an address would be a message of its own.

"Hello http://evil.example/login is your new sign-in page," is not what a genuine mail may say.
"""

import re
import unicodedata

from api import typed_text

# Characters that people or browsers read as one of an address, and that NFKD does not fold: dots of other
# scripts, slashes of mathematics and of drawing, colons, and letters of Cyrillic that look like a w.
_LOOKS_LIKE = {
    ".": "\u3002\u06d4\u0701\u0702\ua4f8\U00010a50\U0001d16d",
    "/": "\u2044\u2215\u29f8\u2571\u27cb\u31d3\u3033\u1735\\\u2216\u29f5\u29f9",
    ":": "\u2236\ua789\u02d0\u05c3\u0589\u0703\u0704\u16ec\u205a",
    "w": "\u051d\u0461\u1d21\u026f",
}
_FOLDED = {ord(sign): plain for plain, signs in _LOOKS_LIKE.items() for sign in signs}

_ADDRESS = re.compile(
    r"""
      :\s*/                                     # a scheme, however it is spelled: http:/
    | \b(?:h[tx]{2}ps?|xn--)                    # a scheme in words, and a domain in punycode
    | \b(?:ftps?|mailto|javascript):
    | \bw{3}\d{0,2}\s*\.
    | \w\.(?=[\d_-]*[^\W\d_])[\w-]{2,}\.?       # a domain, which a genuine name may be, and after it
      (?: /                                     # a path,
        | :\d                                   # a port,
        | [?\#][^\s.]                           # or a query
      )
    | \b\d{1,3}(?:\.\d{1,3}){3}[/:]             # the same with the number of a host
    | [^\s@]@[\w.-]*\w\.\w{2}                   # an email address
    """,
    re.VERBOSE,
)


def has_address(name: str) -> bool:
    """Whether a cleaned name contains an address that a mail program or a reader takes for one.

    A domain alone is none, because of names such as `Amazon.com S.A.` and `Ma.de los Ángeles`: see
    `unlinked`.
    """
    return _ADDRESS.search(_fold(name)) is not None


def _fold(name: str) -> str:
    """The name in small letters of ASCII, as far as its characters look like those."""
    letters = unicodedata.normalize("NFKD", typed_text.drop_formats(name).translate(_FOLDED))
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return plain.translate(_FOLDED).casefold()


_JOINT = re.compile(r"(?<=\w)[.@](?=\w\w)|(?<=[\w.:/])[:/](?=\S)")

_BREAK = "\u200b"
"""A zero width space, at which a mail program ends what it takes for an address. It is invisible."""


def unlinked(name: str) -> str:
    """The name for a mail, in which no program makes a link of it.

    A domain such as `Amazon.com` is allowed in a name, and adopted databases hold names of every kind.
    """
    return _JOINT.sub(lambda joint: joint[0] + _BREAK, name)
