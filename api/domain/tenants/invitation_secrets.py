"""The token and the code of an invitation of staff. Each opens the invitation alone; only digests are stored.

The token has 256 random bits, for a link; the code has 58, to be typed together with the address. So neither
can be guessed within its week, nor found by trying digests, and looking one up takes no slow hash.
"""

import hashlib
import re
import secrets
from typing import NamedTuple

from api import typed_text
from api.domain.accounts.one_time_codes import MAX_TYPED_CODE
from api.domain.accounts.one_time_tokens import MAX_TYPED_TOKEN
from api.domain.email_addresses import mailbox_of
from api.key_shape import ALPHABET

GROUPS = 3
GROUP_LENGTH = 4


class InvitationSecrets(NamedTuple):
    """What a mail contains, and what the database stores."""

    token: str
    code: str
    token_digest: bytes
    code_digest: bytes


def make_secrets(address: str) -> InvitationSecrets:
    """New secrets for an invitation of this address."""
    token = secrets.token_urlsafe(32)
    code = "".join(secrets.choice(ALPHABET) for _ in range(GROUPS * GROUP_LENGTH))
    groups = [code[start : start + GROUP_LENGTH] for start in range(0, len(code), GROUP_LENGTH)]
    return InvitationSecrets(token, "-".join(groups), digest_of_token(token), _digest(address, code))


def digest_of_token(typed: str) -> bytes:
    token = typed_text.fold(typed[:MAX_TYPED_TOKEN])
    return hashlib.sha256(token.encode(errors="replace")).digest()


_GROUP = f"[{ALPHABET}]{{{GROUP_LENGTH}}}"
_CODE = re.compile(rf"(?<![0-9A-Z])({_GROUP}(?:[\s.-]*{_GROUP}){{{GROUPS - 1}}})(?![0-9A-Z])")


def digest_of_code(address: str, typed: str) -> bytes | None:
    """The digest of the code in a text, which may be a sentence; None if it has no code, or several."""
    folded = typed_text.fold(typed[:MAX_TYPED_CODE]).upper()
    codes = {re.sub(r"[\s.-]", "", found) for found in _CODE.findall(folded)}
    return _digest(address, codes.pop()) if len(codes) == 1 else None


def _digest(address: str, code: str) -> bytes:
    return hashlib.sha256(f"{mailbox_of(address)}:{code}".encode(errors="replace")).digest()
