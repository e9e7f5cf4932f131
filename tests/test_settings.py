"""Settings: typed, and wrong ones named."""

import re
import subprocess
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from api import settings_reference
from api.settings import Settings, SettingsError, get_settings
from tests.support import ROOT


@pytest.fixture(autouse=True)
def _fresh_settings() -> None:
    get_settings.cache_clear()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("WORKERS", "0"),
        ("DB_SYNC", "perhaps"),
        ("DATABASE_URL", "mysql://root:secret@db/x"),
        ("PHONE_REGION", "Colombia"),
        ("TAX_ID_COUNTRY", "XX"),
        ("TIME_ZONE", "-05:00"),
        ("TIME_ZONE", "Africa"),
        ("TIME_ZONE", "right/America/Bogota"),
        ("TIME_ZONE", "../../etc/localtime"),
        ("EXECUTION_PLANS", "perhaps"),
        ("DOCUMENT_CACHE_ENTRIES", "many"),
        ("DOCUMENT_CACHE_BYTES", "999"),
        ("LOG_FORMAT", "xml"),
        ("METRICS_PORT", "8000"),
        ("METRICS_TOKEN", "short"),
        ("METRICS_TOKEN", "a token with spaces in it"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("SESSION_DAYS", "-1"),
        ("SMTP_URL", "smtp.example.com:25"),
        ("SMTP_URL", "smtp://ana:secret@"),
        ("SMTP_URL", "smtp://ana:secret@smtp.example.com:port"),
        ("MAIL_FROM", "nobody"),
        ("MAIL_FROM", "a@example.com, b@example.com"),
        ("MAIL_FROM", "a@example.com\r\nBcc: b@example.com"),
        ("WORKER", "perhaps"),
        ("RATE_LIMITS", "perhaps"),
        ("RATE_LIMIT_LOGIN", "often"),
        ("RATE_LIMIT_LOGIN", "0/hour"),
        ("RATE_LIMIT_LOGIN", "10/minute;100/hour"),
        ("RATE_LIMIT_STORAGE", "memcached://:secret@cache"),
        ("RATE_LIMIT_STORAGE", "redis://:secret@cache:port"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "proxy.example.com"),
        ("TRUSTED_PROXIES", "none,10.0.0.0/8"),
        ("PUBLIC_URL", "gate.test"),
        ("PUBLIC_URL", "https://beta.example.com/graphql"),
        ("PUBLIC_URL", "https://ana:secret@beta.example.com"),
        ("CORS_ORIGINS", "https://shop.example.com/"),
        ("CORS_ORIGINS", "front.example.com"),
        ("CORS_HEADERS", "x-shop: 7"),
        ("SECURITY_CONTACT", "http://example.com/report"),
        ("SECURITY_CONTACT", "by phone"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """The value may be an address with a password."""
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as raised:
        get_settings()

    assert str(raised.value).startswith(f"{name}: must be ")
    assert value not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_all_wrong_settings_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("WORKERS", "x")

    with pytest.raises(SettingsError, match=r"PORT: .*; WORKERS: "):
        get_settings()


def test_mail_from_is_required_with_smtp_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every server would refuse a mail without a sender."""
    monkeypatch.setenv("SMTP_URL", "smtps://ana:s%40cret@smtp.example.com")

    with pytest.raises(SettingsError, match=r"^MAIL_FROM: must be set with SMTP_URL"):
        get_settings()
    monkeypatch.setenv("MAIL_FROM", "Gatehouse <beta@example.com>")

    assert str(get_settings().sender) == "Gatehouse <beta@example.com>"


def test_a_setting_is_read_as_it_was_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, typed, value in (
        ("PORT", "\u00a08080\u200b", 8080),
        ("PORT", '"8080"', 8080),
        ("WORKERS", "2\ufeff\n", 2),
        ("WORKERS", " ", 1),
        ("MIGRATION_LOCK_TIMEOUT", "\u20605", 5.0),
        ("DB_SYNC", " True\u200b", True),
        ("RATE_LIMITS", "'off'", False),
        ("LOG_FORMAT", "JSON\u00a0", "json"),
        ("GATEHOUSE_HOME", " /srv/gatehouse\u200b\n", Path("/srv/gatehouse")),
        ("PUBLIC_URL", '"https://beta.example.com/"', "https://beta.example.com"),
        (
            "TRUSTED_PROXIES",
            "'10.0.0.0/8,\u00a0\u200bfd00::/8'",
            (ip_network("10.0.0.0/8"), ip_network("fd00::/8")),
        ),
        ("MAIL_FROM", '"Beta" <beta@example.com>', '"Beta" <beta@example.com>'),
    ):
        monkeypatch.setenv(name, typed)
        assert getattr(Settings(), name.lower()) == value, (name, ascii(typed))
        monkeypatch.delenv(name)


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("TAX_ID_COUNTRY", "")

    assert get_settings().database_url is None
    assert get_settings().tax_id_country is None


@pytest.mark.parametrize(
    ("path", "generate"),
    [("docs/settings.md", settings_reference.markdown), (".env.example", settings_reference.env_example)],
)
def test_the_reference_is_generated_from_the_settings(path: str, generate: Callable[[], str]) -> None:
    assert (ROOT / path).read_text() == generate(), "run: make settings"


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_example_sets_every_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Loading it without the comment signs sets the default of every setting."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    defaults = Settings()
    lines = re.findall(r"^# ([A-Z_]+=.*)", (ROOT / ".env.example").read_text(), re.M)
    (tmp_path / ".env").write_text("\n".join(lines))

    script = f"set -a; . {tmp_path}/.env; env"
    loaded = subprocess.run(["sh", "-c", script], env={}, capture_output=True, text=True, check=True)
    for line in loaded.stdout.splitlines():
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value)

    assert loaded.stderr == ""
    assert {line.partition("=")[0] for line in lines} == {name.upper() for name in Settings.model_fields}
    assert Settings() == defaults
