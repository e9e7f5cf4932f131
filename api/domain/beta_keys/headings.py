"""What a heading of a column means, in English or Spanish, in any case, with accents or without."""

import re
from enum import StrEnum

from api.domain.search.typed import search_form


class Column(StrEnum):
    """What a column of a file of beta keys holds. The names are those of `keys export`."""

    KEY = "key"
    NOTES = "notes"
    BATCH = "batch"
    EXPIRES_AT = "expiresAt"
    RECIPIENT_EMAIL = "recipientEmail"
    SENT_AT = "sentAt"
    STATUS = "status"
    USED = "usedAt"
    """Who used the key, when, or whether: only a blank cell belongs to a key that can be imported."""
    REVOKED = "revokedAt"
    IGNORED = "id"
    """The database gives a key its id and the time of its creation."""


_HEADINGS: dict[Column, str] = {
    Column.KEY: """key, keys, beta key, beta keys, beta code, access key, access code, invitation code,
        invite code, code, clave, claves, clave beta, claves beta, clave de acceso, clave de invitacion,
        llave, llave beta, codigo, codigo beta, codigo de acceso, codigo de invitacion""",
    Column.NOTES: """notes, note, comment, comments, remark, remarks, description, nota, notas, comentario,
        comentarios, observacion, observaciones, descripcion, detalle, detalles""",
    Column.BATCH: """batch, batch name, group, campaign, lote, nombre del lote, tanda, grupo, campana""",
    Column.EXPIRES_AT: """expires at, expires, expires on, expiry, expiry date, expiration, expiration date,
        valid until, valid through, expira, expira el, expiracion, fecha de expiracion, fecha expiracion,
        vence, vence el, vencimiento, fecha de vencimiento, fecha vencimiento, valida hasta, valido hasta,
        caduca, caduca el, caducidad, fecha de caducidad""",
    Column.RECIPIENT_EMAIL: """recipient email, recipient, recipients, recipient address, destinatario,
        destinataria, destinatarios, correo del destinatario, email del destinatario, email, emails, e mail,
        e mails, mail, email address, e mail address, mail address, email addresses, correo, correos,
        correo e, correo electronico, correos electronicos, direccion de correo,
        direccion de correo electronico, direccion de email, guest email, correo del invitado""",
    Column.SENT_AT: """sent at, sent, sent on, date sent, enviada, enviado, enviada el, enviado el,
        fecha de envio, fecha envio""",
    Column.STATUS: "status, state, key status, estado, estatus, situacion, estado de la clave",
    Column.USED: """used at, used by, used on, used, is used, used by tenant, used by tenant id, date used,
        redeemed, redeemed at, redeemed by, usada, usado, usada por, usado por, usada el, usado el,
        fecha de uso, fecha uso, utilizada, utilizado, utilizada por, utilizado por""",
    Column.REVOKED: """revoked at, revoked, revoked reason, is revoked, revocada, revocada el, revocado,
        motivo de revocacion, fecha de revocacion""",
    Column.IGNORED: """id, uuid, no, num, numero, created at, created, created on, creation date, updated at,
        updated, creada, creado, creada el, creado el, fecha de creacion, fecha creacion, actualizada,
        actualizado, fecha de actualizacion""",
}

_COLUMNS = {
    "".join(heading.split()): column
    for column, headings in _HEADINGS.items()
    for heading in headings.split(",")
}


def plain(heading: str) -> str:
    """The words of a heading in lower case, without accents, punctuation and what is in brackets.

    `Email (obligatorio) *` is `email`, and `recipientEmail` is `recipient email`.
    """
    text = search_form(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", heading))
    return _words(_IN_BRACKETS.sub(" ", text)) or _words(text)


_IN_BRACKETS = re.compile(r"\([^)]*\)|\[[^\]]*\]|\{[^}]*\}")


def _words(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text).strip()


def column_of(heading: str) -> Column | None:
    """What a heading means, or None for an unknown one."""
    return _COLUMNS.get(plain(heading).replace(" ", ""))


def names_address(heading: str) -> bool:
    """Whether a heading says that its column holds email addresses, such as `Correo de contacto`."""
    if column_of(heading) is Column.RECIPIENT_EMAIL:
        return True
    words = plain(heading)
    return re.search(r"\b(e ?mails?|mails?|correos?|invitad[oa]s?|guests?)\b", words) is not None


def names_inviter(heading: str) -> bool:
    """Whether a heading names a person who invites others, and gets no key: `Referred by`."""
    return _INVITER.search(plain(heading)) is not None


# `¿A quién invita?` asks for the guest.
_INVITER = re.compile(
    r"\b((referred|invited|recommended|introduced|nominated|sponsored|sent|added|created|issued) by"
    r"|(referid|invitad|recomendad|presentad|nominad|enviad|cread|emitid)[oa]s? por"
    r"|(?<!\ba )(quien|persona que) ((lo|la|le|te|nos) )?"
    r"(refiere|refirio|invita|invito|recomienda|recomendo)"
    r"|referrers?|referers?|inviters?|sponsors?|recommenders?|patrocinador(es|as?)?|padrinos?|remitentes?"
    r"|senders?|sellers?|sales(person|man|woman)|vendedor(es|as?)?|asesor(es|as?)?)\b"
)


_STATUSES = {
    "AVAILABLE": """available, unused, free, open, active, new, not used, disponible, disponibles, sin usar,
        libre, activa, activo, nueva, nuevo, no usada, no usado, vigente""",
    "USED": """used, redeemed, taken, consumed, usada, usado, utilizada, utilizado, canjeada, canjeado,
        ocupada, consumida""",
    "EXPIRED": "expired, vencida, vencido, expirada, expirado, caducada, caducado",
    "REVOKED": """revoked, disabled, cancelled, canceled, deleted, inactive, revocada, revocado, anulada,
        anulado, cancelada, cancelado, eliminada, eliminado, inactiva, inactivo, desactivada""",
}

_STATUS_OF_WORD = {
    " ".join(word.split()): status for status, words in _STATUSES.items() for word in words.split(",")
}


def status_of(cell: str) -> str | None:
    """The status of a key that a cell says in English or Spanish; None for another text."""
    return _STATUS_OF_WORD.get(plain(cell))


def is_no(cell: str) -> bool:
    """Whether a cell says that something is not so: blank, `-`, `no` or `false`."""
    return plain(cell) in {"", "no", "false", "falso", "0", "n", "f", "none", "null", "nunca", "never"}
