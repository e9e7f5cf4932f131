"""The stored form of an authenticator app's secret: encrypted if `SECOND_FACTOR_KEYS` is set."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from api.command_error import CommandError
from api.settings import get_settings

_PLAIN = "plain:"
_ENCRYPTED = "fernet:"


def seal(secret: str) -> str:
    """The form of a secret that the database stores."""
    keys = _keys()
    return f"{_PLAIN}{secret}" if keys is None else f"{_ENCRYPTED}{keys.encrypt(secret.encode()).decode()}"


def unseal(stored: str) -> str:
    """The secret of a stored form, also of one from before keys were set.

    Raises `CommandError` if none of the keys encrypted it.
    """
    if stored.startswith(_PLAIN):
        return stored.removeprefix(_PLAIN)
    keys = _keys()
    try:
        if keys is not None:
            return keys.decrypt(stored.removeprefix(_ENCRYPTED)).decode()
    except InvalidToken:
        pass
    raise CommandError("SECOND_FACTOR_KEYS lacks the key that encrypted the secret of an authenticator app")


def _keys() -> MultiFernet | None:
    keys = get_settings().second_factor_keys
    return MultiFernet([Fernet(key) for key in keys.get_secret_value()]) if keys is not None else None
