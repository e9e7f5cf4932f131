"""Descriptions that several fields share, and descriptions that list codes."""

from collections.abc import Mapping

PASSWORDS = (
    "10 to 128 characters of any kind, where the deployment does not set other rules. Common passwords, and "
    "those made of the person's own data, are refused."
)

PHONE_NUMBERS = (
    "A phone number in any notation; without a country code it is of the country of this deployment. It is "
    "stored in E.164; an extension follows as `;ext=12`."
)

ACCESS_TOKENS = (
    "The token of the session, an opaque text. Send it with each request: `Authorization: Bearer <token>`. "
    "The server does not show it again."
)


def list_codes(introduction: str, codes: Mapping[str, str]) -> str:
    """A description in Markdown: `introduction`, then a line for each code with its meaning."""
    return "\n".join([introduction, *(f"- `{code}`: {meaning}" for code, meaning in codes.items())])


CODES = (
    "The six digits that the authenticator app shows, or a recovery code. Each is accepted once. Needed "
    "unless another proof is given."
)

PASSKEY_RESPONSES = "The response of a passkey to the options of `startPasskeyConfirmation`, as JSON."
