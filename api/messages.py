"""What people are told, in English and Spanish. Programs go by the codes, which no language changes."""

from typing import Any

LANGUAGES = ("en", "es")

_MESSAGES: dict[str, tuple[str, str]] = {
    "BETA_KEY_VALID": ("This beta key is valid.", "Esta clave beta es válida."),
    "BETA_KEY_REJECTED.NOT_FOUND": ("There is no such beta key.", "Esa clave beta no existe."),
    "BETA_KEY_REJECTED.USED": ("This beta key has been used.", "Esta clave beta ya fue usada."),
    "BETA_KEY_REJECTED.EXPIRED": ("This beta key has expired.", "Esta clave beta ha vencido."),
    "BETA_KEY_REJECTED.REVOKED": ("This beta key was revoked.", "Esta clave beta fue revocada."),
    "BETA_KEY_REJECTED.OTHER_RECIPIENT": (
        "This beta key was issued to another address.",
        "Esta clave beta fue emitida para otra dirección.",
    ),
    "INVALID_INPUT": ("Some fields are not acceptable.", "Algunos campos no son válidos."),
    "EMAIL_TAKEN": ("This email address is registered already.", "Este correo ya está registrado."),
    "NIT_TAKEN": ("This tax id is registered already.", "Este NIT ya está registrado."),
    "WRONG_CREDENTIALS": (
        "The email or the password is wrong.",
        "El correo o la contraseña no son correctos.",
    ),
    "WRONG_CREDENTIALS.CURRENT_PASSWORD": (
        "The current password is wrong.",
        "La contraseña actual no es correcta.",
    ),
    "TENANT_SUSPENDED": ("This business is suspended.", "Este negocio está suspendido."),
    "RATE_LIMITED": (
        "Too many attempts. Please wait {seconds} s, then try again.",
        "Demasiados intentos. Espere {seconds} s e intente de nuevo.",
    ),
    "TIMEOUT": (
        "This took longer than {seconds} s and was given up.",
        "Esto tardó más de {seconds} s y se abandonó.",
    ),
    "UNAUTHENTICATED": ("Sign in first.", "Primero inicie sesión."),
    "FORBIDDEN": ("You may not do this.", "Usted no puede hacer esto."),
    "INVALID_ARGUMENT.OUT_OF_RANGE": (
        "{argument} must be from {min} to {max}.",
        "{argument} debe estar entre {min} y {max}.",
    ),
    "INVALID_ARGUMENT.INVALID_CURSOR": (
        "{argument} is not a cursor of this list.",
        "{argument} no es un cursor de esta lista.",
    ),
    "INVALID_ARGUMENT.REQUIRED": ("{argument} is required.", "{argument} es obligatorio."),
    "INVALID_ARGUMENT.TOO_LONG": (
        "{argument} may have at most {max} characters.",
        "{argument} puede tener como máximo {max} caracteres.",
    ),
    "INVALID_ARGUMENT.INVALID_CHARACTERS": (
        "{argument} has control characters or emoji.",
        "{argument} tiene caracteres de control o emojis.",
    ),
    "NO_SEAT.ADMIN": (
        "All seats for administrators are taken (of {max}).",
        "Todos los puestos de administrador están ocupados (de {max}).",
    ),
    "NO_SEAT.MANAGER": (
        "All seats for managers are taken (of {max}).",
        "Todos los puestos de gerente están ocupados (de {max}).",
    ),
    "NO_SEAT.CASHIER": (
        "All seats for cashiers are taken (of {max}).",
        "Todos los puestos de cajero están ocupados (de {max}).",
    ),
    "SESSION_REVOKED": ("That device is signed out.", "Se cerró la sesión de ese dispositivo."),
    "PASSWORD_CHANGED": (
        "Your password is changed, and your other devices are signed out.",
        "Su contraseña fue cambiada y se cerró la sesión de sus otros dispositivos.",
    ),
    "STAFF_REMOVED": ("This person has no access any more.", "Esta persona ya no tiene acceso."),
    "TENANT_DELETED": (
        "The tenant is deleted, and its people are signed out.",
        "El negocio fue eliminado y su personal ya no tiene acceso.",
    ),
    "SIGNED_OUT": ("You are signed out.", "Ha cerrado la sesión."),
    "CONFLICT": ("This cannot be done in its present state.", "Esto no es posible en su estado actual."),
    "NOT_FOUND": ("There is no such thing here.", "Eso no existe aquí."),
    "BAD_REQUEST": ("The request is not acceptable.", "La solicitud no es válida."),
    "INTERNAL": (
        "Something went wrong on our side. Please try again.",
        "Algo falló de nuestro lado. Por favor, intente de nuevo.",
    ),
    "UNAVAILABLE": (
        "The service is not available right now. Please try again soon.",
        "El servicio no está disponible en este momento. Intente de nuevo en breve.",
    ),
    "WRONG_CODE": (
        "This code is not valid, or not any more. Please ask for a new one.",
        "Este código no es válido, o ya no lo es. Por favor, pida uno nuevo.",
    ),
    "CODE_REQUESTED": (
        "If this address can get a code, it is on its way.",
        "Si esta dirección puede recibir un código, ya va en camino.",
    ),
    "PASSWORD_RESET": (
        "Your password has been changed. Please sign in.",
        "Su contraseña fue cambiada. Por favor, inicie sesión.",
    ),
    "REQUIRED": ("This is required.", "Este campo es obligatorio."),
    "TOO_SHORT": ("At least {min} characters, please.", "Al menos {min} caracteres, por favor."),
    "TOO_LONG": ("At most {max} characters, please.", "Como máximo {max} caracteres, por favor."),
    "TOO_SMALL": ("At least {min}, please.", "Al menos {min}, por favor."),
    "INVALID_CHARACTERS": (
        "Control characters and emoji cannot be used here.",
        "Aquí no se pueden usar caracteres de control ni emojis.",
    ),
    "INVALID_EMAIL": ("This is not an email address.", "Esto no es un correo electrónico."),
    "IN_THE_PAST": ("This must be in the future.", "Debe estar en el futuro."),
    "ONE_KEY_EACH": ("A recipient gets one key.", "Cada destinatario recibe una sola clave."),
    "TOO_LARGE": ("At most {max}, please.", "Como máximo {max}, por favor."),
    "INVALID_KEY": ("This cannot be a beta key.", "Esto no puede ser una clave beta."),
    "INVALID_TIME": (
        "Write a time like 2027-01-31 or 2027-01-31T12:00Z.",
        "Escriba una fecha como 2027-01-31 o 2027-01-31T12:00Z.",
    ),
    "THERE_ALREADY": ("This key is there already.", "Esta clave ya existe."),
    "REPEATED": ("This key stands in line {line} as well.", "Esta clave está también en la línea {line}."),
    "UNKNOWN_COLUMN": (
        "Columns are key, notes, batch, expiresAt, recipientEmail, each once.",
        "Las columnas son key, notes, batch, expiresAt, recipientEmail, una vez cada una.",
    ),
    "TOO_MANY_CELLS": ("This line has more cells than the heading.", "Esta línea tiene celdas de más."),
    "INVALID_PHONE": ("This is not a phone number.", "Esto no es un número de teléfono."),
    "INVALID_TAX_ID": ("This is not a tax id.", "Esto no es un NIT."),
    "NOT_TEXT": ("This must be text.", "Esto debe ser texto."),
    "INVALID_CHOICE": ("This is not one of the choices.", "Esta no es una de las opciones."),
    "WEAK_PASSWORD": (
        "Use a lower-case and an upper-case letter, a digit and a special character.",
        "Use una letra minúscula, una mayúscula, un número y un carácter especial.",
    ),
}


def message(code: str, language: str, **values: Any) -> str:
    """The sentence for a code in one of `LANGUAGES`; `values` fill it."""
    told = _MESSAGES[code][LANGUAGES.index(language)]
    return told.format(**values) if values else told
