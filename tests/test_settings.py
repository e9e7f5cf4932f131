"""Settings: typed, and wrong ones named."""

import re

import pytest

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
        ("EXECUTION_PLANS", "perhaps"),
        ("DOCUMENT_CACHE_ENTRIES", "0"),
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
        ("CORS_ORIGINS", "https://shop.example.com/"),
        ("CORS_ORIGINS", "front.example.com"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """The value may be an address with a password in it."""
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as raised:
        get_settings()

    assert str(raised.value).startswith(f"{name}: ")
    assert value not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_all_wrong_settings_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("WORKERS", "x")

    with pytest.raises(SettingsError, match=r"PORT: .*; WORKERS: "):
        get_settings()


def test_whoever_sends_mails_has_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail from nowhere would be refused by every server."""
    monkeypatch.setenv("SMTP_URL", "smtps://ana:s%40cret@smtp.example.com")

    with pytest.raises(SettingsError, match=r"^MAIL_FROM: must be set with SMTP_URL"):
        get_settings()
    monkeypatch.setenv("MAIL_FROM", "Gatehouse <beta@example.com>")

    assert str(get_settings().sender) == "Gatehouse <beta@example.com>"


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("TAX_ID_COUNTRY", "")

    assert get_settings().database_url is None
    assert get_settings().tax_id_country is None


def test_the_example_lists_every_setting() -> None:
    listed = re.findall(r"^#?\s?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M)

    assert sorted(listed) == sorted(name.upper() for name in Settings.model_fields)


def test_the_example_tells_every_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for MAIL_FROM, which has none, and an example of one."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    defaults = Settings()
    for name, value in re.findall(r"^# ([A-Z_]+)=(.+)", (ROOT / ".env.example").read_text(), re.M):
        if name != "MAIL_FROM":
            monkeypatch.setenv(name, value)

    assert Settings() == defaults


def test_the_readme_lists_every_setting() -> None:
    readme = (ROOT / "README.md").read_text()

    assert [name for name in Settings.model_fields if f"`{name.upper()}`" not in readme] == []
