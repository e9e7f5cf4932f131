"""Every message exists in both languages."""

import re

import pytest

from api.domain.errors import BetaKeyRejection, DomainError, NoSeat, WrongPassword
from api.domain.roles import Role
from api.http.language import preferred_language
from api.messages import _MESSAGES, LANGUAGES, message
from tests.support import ROOT


def test_every_error_has_its_message() -> None:
    by_reason = {"BETA_KEY_REJECTED", "NO_SEAT", "INVALID_ARGUMENT"}
    codes = {error.code for error in DomainError.__subclasses__()} - by_reason
    codes |= {f"BETA_KEY_REJECTED.{reason.value}" for reason in BetaKeyRejection}
    codes |= {NoSeat(role, 1).message_code for role in set(Role) - {Role.SUPER_ADMIN}}
    codes |= {WrongPassword().message_code}
    # The line of a `Problem(…)` or `FieldProblem(…)` holds its code.
    lines = [line for path in (ROOT / "api").rglob("*.py") for line in path.read_text().splitlines()]
    codes |= {code for line in lines if "Problem(" in line for code in re.findall(r'"([A-Z_]{4,})"', line)}

    refused = re.compile(r'InvalidArgument\((?:\w+|"\w+"), "([A-Z_]+)"')
    arguments = {code for path in (ROOT / "api").rglob("*.py") for code in refused.findall(path.read_text())}
    assert arguments
    codes |= {f"INVALID_ARGUMENT.{code}" for code in arguments}

    of_requests = re.compile(r'HttpError\(\d+, "([A-Z_.0-9]+)"')
    codes |= {code for path in (ROOT / "api").rglob("*.py") for code in of_requests.findall(path.read_text())}

    assert {"TOO_LONG", "TOO_SMALL", "NOT_TEXT", "HTTP.METHOD"} <= codes
    assert codes <= _MESSAGES.keys()


@pytest.mark.parametrize("code", _MESSAGES)
def test_both_languages_are_filled_from_the_same_values(code: str) -> None:
    values = {"min": 3, "max": 9, "seconds": 7, "line": 5, "argument": "first"} | {
        "email": "x@example.com",
        "name": "El Sol",
        "erased_at": "a time",
    }
    english, spanish = (message(code, language, **values) for language in LANGUAGES)

    assert english
    assert spanish
    assert english != spanish
    assert re.findall(r"\d", english) == re.findall(r"\d", spanish)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("es", "es"),
        ("es-CO", "es"),
        ("ES-419;q=0.9, en;q=0.8", "es"),
        ("ES", "es"),
        ("es-419", "es"),
        ("es_CO", "es"),
        ("es_CO.UTF-8", "es"),
        ("en_US, es_CO", "en"),
        ("est", "en"),
        ("es;q=0.2, en;q=0.9", "en"),
        ("fr, es;q=0.5", "es"),
        ("fr", "en"),
        ("es;q=0", "en"),
        ("es;q=x", "en"),
        ("*", "en"),
        (",;=,;q", "en"),
        ("x" * 10_000, "en"),
    ],
)
def test_the_preferred_language_is_chosen(header: str | None, language: str) -> None:
    assert preferred_language(header) == language
