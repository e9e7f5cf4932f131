"""The ceremonies of WebAuthn, in which a device makes a passkey, and signs with it.

Options are JSON for `PublicKeyCredential.parseCreationOptionsFromJSON` and `parseRequestOptionsFromJSON` of a
browser; responses are the JSON that `PublicKeyCredential.toJSON` returns:
https://www.w3.org/TR/webauthn-3/. The user is verified each time, with a PIN or a biometric.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from api.domain.accounts.passkeys.relying_party import NAME, RelyingParty
from api.domain.errors import WrongPasskey
from api.observability.logs import get_logger
from tables import Passkey, User

logger = get_logger()

MAX_RESPONSE = 20_000
"""Characters of the longest response that is read: several times what devices send."""

MAX_REASON = 200
"""Characters of a reason in the log, which may repeat parts of the response."""

TIMEOUT = 300_000
"""Milliseconds for which a browser waits for the user."""

T = TypeVar("T")


def creation_options(party: RelyingParty, user: User, challenge: bytes, existing: Sequence[Passkey]) -> str:
    """What a device makes a passkey of; it makes none if it has an `existing` one."""
    options = generate_registration_options(
        rp_id=party.id,
        rp_name=NAME,
        user_id=user.id.bytes,
        user_name=user.email,
        user_display_name=f"{user.first_name} {user.last_name}".strip() or user.email,
        challenge=challenge,
        timeout=TIMEOUT,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=_descriptors(existing),
    )
    return options_to_json(options)


def request_options(party: RelyingParty, challenge: bytes, allowed: Sequence[Passkey]) -> str:
    """What a device signs with one of the `allowed` passkeys."""
    options = generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        timeout=TIMEOUT,
        allow_credentials=_descriptors(allowed),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json(options)


def _descriptors(passkeys: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=passkey.credential_id) for passkey in passkeys]


class NewCredential(NamedTuple):
    """What a device has made."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


def challenge_of_new(response: str) -> bytes:
    """The challenge that a device has made a passkey for. Raises `WrongPasskey`."""
    parsed = _reading(lambda: parse_registration_credential_json(_bounded(response)))
    return _reading(lambda: parse_client_data_json(parsed.response.client_data_json).challenge)


def read_new(response: str, challenge: bytes, party: RelyingParty) -> NewCredential:
    """The passkey that a device has made. Raises `WrongPasskey`."""
    verified = _reading(
        lambda: verify_registration_response(
            credential=_bounded(response),
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origins,
            require_user_verification=True,
        )
    )
    return NewCredential(verified.credential_id, verified.credential_public_key, verified.sign_count)


class Assertion(NamedTuple):
    """A response that a device has signed, before its signature is verified."""

    response: str
    credential_id: bytes
    challenge: bytes
    user_handle: bytes | None


def read_assertion(response: str) -> Assertion:
    """Raises `WrongPasskey` for a text that is none."""
    parsed = _reading(lambda: parse_authentication_credential_json(_bounded(response)))
    challenge = _reading(lambda: parse_client_data_json(parsed.response.client_data_json).challenge)
    return Assertion(response, parsed.raw_id, challenge, parsed.response.user_handle)


def verify_assertion(
    assertion: Assertion, challenge: bytes, party: RelyingParty, public_key: bytes, sign_count: int
) -> int:
    """The new count of signatures.

    Raises `WrongPasskey`, also for a count that is not higher than `sign_count`, as that of a copied device.
    """
    verified = _reading(
        lambda: verify_authentication_response(
            credential=assertion.response,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origins,
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )
    )
    return verified.new_sign_count


def _bounded(response: str) -> str:
    if len(response) > MAX_RESPONSE:
        raise ValueError("the response is too long")
    return response


def _reading(read: Callable[[], T]) -> T:
    """Logs why a response is refused, since the user and the client learn only that it is."""
    try:
        return read()
    # For a malformed response, the library raises its own errors and those of the parsers that it uses.
    except Exception as error:
        logger.info("a passkey was refused", reason=f"{type(error).__name__}: {error}"[:MAX_REASON])
        raise WrongPasskey from error
