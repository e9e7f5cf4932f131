"""A device with passkeys, in software: it answers the options of WebAuthn as a browser and its device do."""

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field, replace
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

RP_ID, ORIGIN = "beta.example.com", "https://beta.example.com"

USER_PRESENT, USER_VERIFIED, HAS_CREDENTIAL = 0x01, 0x04, 0x40


def encode(data: bytes) -> str:
    """Base64 for addresses, without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@dataclass(frozen=True)
class Device:
    """One passkey. `replace` it for one that does a step wrong.

    It counts its signatures from `count` on, in `used`; with `count` None it never counts, as devices that
    synchronise passkeys do.
    """

    origin: str = ORIGIN
    rp_id: str = RP_ID
    flags: int = USER_PRESENT | USER_VERIFIED
    count: int | None = None
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    used: list[str] = field(default_factory=list)
    """The challenges that it has signed."""

    def with_changes(self, **changes: Any) -> "Device":
        """The same passkey in a device that acts differently."""
        return replace(self, **changes)

    def create(self, options: str) -> str:
        """The response to `navigator.credentials.create`, without an attestation."""
        wanted = json.loads(options)
        numbers = self.key.public_key().public_numbers()
        # COSE: an elliptic curve key for ES256 on P-256, with its coordinates.
        key = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        credential = bytes(16) + len(self.credential_id).to_bytes(2) + self.credential_id + cbor2.dumps(key)
        data = self._authenticator_data(HAS_CREDENTIAL) + credential
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client_data = self._client_data("webauthn.create", wanted["challenge"])
        return self._response(
            {"clientDataJSON": encode(client_data), "attestationObject": encode(attestation)}
        )

    def get(self, options: str, user_handle: bytes | None = None) -> str:
        """The response to `navigator.credentials.get`."""
        client_data = self._client_data("webauthn.get", json.loads(options)["challenge"])
        data = self._authenticator_data()
        signature = self.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        return self._response(
            {
                "clientDataJSON": encode(client_data),
                "authenticatorData": encode(data),
                "signature": encode(signature),
                "userHandle": encode(user_handle) if user_handle is not None else None,
            }
        )

    def _client_data(self, kind: str, challenge: str) -> bytes:
        self.used.append(challenge)
        data = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(data).encode()

    def _authenticator_data(self, flags: int = 0) -> bytes:
        count = 0 if self.count is None else self.count + len(self.used)
        rp = hashlib.sha256(self.rp_id.encode()).digest()
        return rp + bytes([self.flags | flags]) + count.to_bytes(4)

    def _response(self, response: dict[str, Any]) -> str:
        identifier = encode(self.credential_id)
        return json.dumps({"id": identifier, "rawId": identifier, "type": "public-key", "response": response})
