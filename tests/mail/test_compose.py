"""Composing mails: every template in both languages, also with malicious values."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from typing import Any
from uuid import uuid4

import jinja2
import pytest

from api.domain.mails import ClaimedMail, Template
from api.mail.compose import compose
from api.messages import LANGUAGES
from tests.support import ROOT, Settings

SENDER = Address("Gatehouse", "beta", "example.com")

INVITATION = {
    "firstName": "Eva",
    "businessName": "El Ahorro",
    "inviterName": "Ana Ríos",
    "code": "ABCD-EFGH-JKMN",
    "link": "https://shop.example.com/join?token=abc",
    "expiresAt": "2026-12-01T04:59:59.999999+00:00",
}

VALUES: dict[Template, dict[str, Any]] = {
    Template.WELCOME: {"firstName": "Ana", "businessName": "El Ahorro"},
    Template.VERIFICATION_CODE: {"code": "012345", "minutes": 10},
    Template.PASSWORD_RESET_CODE: {"firstName": "Ana", "code": "012345", "minutes": 10},
    Template.TENANT_DELETION_CODE: {
        "businessName": "El Ahorro",
        "nit": "900123456",
        "code": "012345",
        "minutes": 10,
        "days": 30,
    },
    Template.TENANT_SUSPENSION_CODE: {
        "businessName": "El Ahorro",
        "nit": "900123456",
        "code": "012345",
        "minutes": 10,
    },
    Template.PASSWORD_CHANGED: {"firstName": "Ana"},
    Template.NEW_DEVICE: {
        "firstName": "Ana",
        "at": "2026-12-01T04:59:59.999999+00:00",
        "program": "Firefox",
        "system": "Windows",
        "address": "203.0.113.77",
    },
    Template.WRONG_PASSWORDS: {"firstName": "Ana", "at": "2026-12-01T04:59:59.999999+00:00", "tries": 10},
    Template.WRONG_SECOND_FACTORS: {
        "firstName": "Ana",
        "at": "2026-12-01T04:59:59.999999+00:00",
        "tries": 5,
    },
    Template.EMAIL_CHANGE_CODE: {"firstName": "Ana", "code": "012345", "minutes": 10},
    Template.EMAIL_CHANGE_OF_HOLDER: {"firstName": "Ana"},
    Template.EMAIL_CHANGED: {"firstName": "Ana"},
    Template.SECOND_FACTOR_ON: {"firstName": "Ana"},
    Template.SECOND_FACTOR_OFF: {"firstName": "Ana"},
    Template.PASSKEYS_CHANGED: {"firstName": "Ana"},
    Template.STAFF_INVITATION: INVITATION,
    Template.STAFF_INVITATION_OF_HOLDER: INVITATION,
    Template.STAFF_CREATED: {"firstName": "Eva", "businessName": "El Ahorro", "inviterName": "Ana Ríos"},
    Template.BETA_KEY_INVITATION: {
        "key": "BETA-ABCDE-FGHJK",
        "expiresAt": "2026-12-01T04:59:59.999999+00:00",
        "link": "https://shop.example.com/?key=BETA-ABCDE-FGHJK",
    },
}


def mail(template: Template, language: str = "en", to: str = "ana@example.com", **values: Any) -> ClaimedMail:
    return ClaimedMail(
        id=uuid4(),
        template=template,
        recipient=to,
        language=language,
        values={**VALUES[template], **values},
        created_at=datetime.now(UTC),
        tries=1,
        expired=False,
    )


def received(one: ClaimedMail) -> EmailMessage:
    """The message as the recipient gets it."""
    message = message_from_bytes(compose(one, SENDER).as_bytes(), policy=default)
    assert isinstance(message, EmailMessage)
    return message


def bodies(message: EmailMessage) -> tuple[str, str]:
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    return plain.get_content(), html.get_content()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("template", Template)
def test_every_mail_contains_its_values_in_text_and_html(template: Template, language: str) -> None:
    message = received(mail(template, language))
    text, html = bodies(message)

    for name, value in VALUES[template].items():
        if name in ("expiresAt", "at"):
            continue
        assert str(value) in text
        assert str(value) in html
    assert message["Content-Language"] == language
    assert f'<html lang="{language}">' in html
    assert not {"{", "}"} & set(text + html)
    assert message["From"] == "Gatehouse <beta@example.com>"
    assert message["To"] == "ana@example.com"


def test_an_invitation_says_until_which_hour_of_which_zone_the_key_is_valid(settings: Settings) -> None:
    """For a reader in any country."""
    day, bogota = "2026-12-01T04:59:59.999999+00:00", "America/Bogota"
    for language, zone, expires, sentence in [
        ("es", bogota, day, "Es válida hasta el 30 de noviembre de 2026, 23:59 (hora de Colombia)."),
        ("en", bogota, day, "It is valid until November 30, 2026, 23:59 (Colombia Time)."),
        (
            "es",
            "America/Mexico_City",
            day,
            "hasta el 30 de noviembre de 2026, 22:59 (hora de Ciudad de México).",
        ),
        ("en", "Europe/Madrid", day, "until December 1, 2026, 05:59 (Madrid Time)."),
        ("es", "Asia/Calcutta", day, "hasta el 1 de diciembre de 2026, 10:29 (hora de India)."),
        ("es", "UTC", day, "hasta el 1 de diciembre de 2026, 04:59 (tiempo universal coordinado)."),
        ("en", "Etc/GMT+5", day, "until November 30, 2026, 23:59 (GMT-05:00)."),
        # As an earlier release queued it.
        ("es", bogota, "2026-11-30", "Es válida hasta el 2026-11-30."),
    ]:
        settings(TIME_ZONE=zone)
        for body in bodies(received(mail(Template.BETA_KEY_INVITATION, language, expiresAt=expires))):
            assert sentence in body
    for body in bodies(received(mail(Template.BETA_KEY_INVITATION, expiresAt=None))):
        assert "valid until" not in body


def test_the_languages_differ_and_every_file_is_used() -> None:
    folder = ROOT / "api" / "mail" / "templates"
    wanted = {
        f"{language}/{one.value}.{kind}"
        for language in LANGUAGES
        for one in Template
        for kind in ("txt", "html")
    }

    assert {str(path.relative_to(folder)) for path in folder.rglob("*.*")} == wanted | {"layout.html"}
    for template in Template:
        english, spanish = (received(mail(template, language)) for language in LANGUAGES)
        assert english["Subject"] != spanish["Subject"]
        assert bodies(english)[0] != bodies(spanish)[0]


def test_the_subject_contains_no_code() -> None:
    """Locked screens show the subject, and mail servers log it."""
    for template in Template:
        for language in LANGUAGES:
            message = received(mail(template, language))
            assert not [value for value in VALUES[template].values() if str(value) in message["Subject"]]


@pytest.mark.parametrize(
    "template", [Template.WELCOME, Template.PASSWORD_RESET_CODE, Template.PASSWORD_CHANGED]
)
def test_names_are_escaped_in_html(template: Template) -> None:
    text, html = bodies(received(mail(template, firstName="<script>alert('1')</script> & Söhne")))

    assert "<script>" not in html
    assert "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; Söhne" in html
    assert "<script>alert('1')</script> & Söhne" in text


def test_a_value_adds_neither_a_header_nor_a_line() -> None:
    hostile = "Ana\r\nBcc: eva@example.com\r\n\r\nYour account is closed."
    message = received(mail(Template.WELCOME, firstName=hostile, businessName=hostile))

    assert set(message.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Language",
        "MIME-Version", "Content-Type",
    }  # fmt: skip
    assert not any(line.startswith(("Bcc", "Your")) for line in bodies(message)[0].splitlines())


def test_a_name_of_an_adopted_database_is_no_link() -> None:
    hostile = "http://evil.example/login is your new sign-in page"
    for body in bodies(received(mail(Template.WELCOME, firstName=hostile, businessName="Amazon.com S.A."))):
        assert "://" not in body
        assert "evil.example" not in body
        assert "Amazon.\u200bcom S.A." in body


@pytest.mark.parametrize(
    "to", ["ana@example.com\r\nBcc: eva@example.com", "ana@example.com, eva@example.com", "ana"]
)
def test_an_invalid_recipient_gets_no_mail(to: str) -> None:
    with pytest.raises(ValueError, match=r"address|Header|header|@"):
        compose(mail(Template.WELCOME, to=to), SENDER)


def test_an_international_domain_is_written_in_punycode() -> None:
    assert (
        received(mail(Template.WELCOME, to="ana@straße.example.com"))["To"] == "ana@xn--strae-oqa.example.com"
    )


def test_every_attempt_has_the_same_message_id() -> None:
    """By the Message-ID a recipient recognises a mail that was sent twice."""
    one = mail(Template.WELCOME)
    first, second = compose(one, SENDER), compose(one, SENDER)

    assert first["Message-ID"] == second["Message-ID"] == f"<{one.id}@example.com>"
    assert first["Date"] == second["Date"]
    assert first["Message-ID"] != compose(mail(Template.WELCOME), SENDER)["Message-ID"]


def test_a_missing_value_is_an_error() -> None:
    one = mail(Template.WELCOME)
    del one.values["businessName"]

    with pytest.raises(jinja2.UndefinedError):
        compose(one, SENDER)
