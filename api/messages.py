"""The messages for people, in English and Spanish. Programs use the codes, which no language changes."""

from typing import Any

from api.input_messages import INPUT_MESSAGES

LANGUAGES = ("en", "es")

_MESSAGES: dict[str, tuple[str, str]] = {
    **INPUT_MESSAGES,
    # Errors: `DomainError.message_code`, and what goes wrong before or outside of the domain.
    "INVALID_INPUT": ("Some fields are not valid.", "Algunos campos no son válidos."),
    "BETA_KEY_REJECTED.NOT_FOUND": ("This beta key does not exist.", "Esta clave beta no existe."),
    "BETA_KEY_REJECTED.USED": ("This beta key has already been used.", "Esta clave beta ya fue usada."),
    "BETA_KEY_REJECTED.EXPIRED": ("This beta key has expired.", "Esta clave beta ha vencido."),
    "BETA_KEY_REJECTED.REVOKED": ("This beta key has been revoked.", "Esta clave beta fue revocada."),
    "BETA_KEY_REJECTED.OTHER_RECIPIENT": (
        "This beta key was issued to another email address.",
        "Esta clave beta fue emitida para otro correo electrónico.",
    ),
    "EMAIL_TAKEN": (
        "This email address is already registered. Its owner can sign in, or reset the password.",
        "Este correo electrónico ya está registrado. Su titular puede iniciar sesión o restablecer la "
        "contraseña.",
    ),
    "NIT_TAKEN": (
        "This tax id is already registered. If the business is yours, please sign in.",
        "Este NIT ya está registrado. Si el negocio es suyo, inicie sesión.",
    ),
    "WRONG_CREDENTIALS": (
        "The email address or the password is incorrect.",
        "El correo electrónico o la contraseña no son correctos.",
    ),
    "WRONG_CREDENTIALS.CURRENT_PASSWORD": (
        "The current password is incorrect.",
        "La contraseña actual no es correcta.",
    ),
    "WRONG_CODE": (
        "This code is incorrect or no longer valid. Please request a new one.",
        "Este código no es correcto o ya no es válido. Por favor, solicite uno nuevo.",
    ),
    "WRONG_CODE.CHALLENGE": (
        "This sign-in is no longer valid. Please sign in again with your password.",
        "Este inicio de sesión ya no es válido. Por favor, inicie sesión de nuevo con su contraseña.",
    ),
    "WRONG_CODE.PASSKEY": (
        "This passkey was not accepted. Please try again, or use another way.",
        "Esta llave de acceso no fue aceptada. Por favor, inténtelo de nuevo o use otra forma.",
    ),
    "PASSKEYS_UNAVAILABLE": (
        "Passkeys are not available here. Please use an authenticator app.",
        "Aquí no hay llaves de acceso disponibles. Por favor, use una aplicación de autenticación.",
    ),
    "SECOND_FACTOR_REQUIRED": (
        "This account is protected by a second factor. Enter the code of your authenticator app, or a "
        "recovery code; if there is no field for it, use an application that supports this.",
        "Esta cuenta está protegida con un segundo factor. Ingrese el código de su aplicación de "
        "autenticación o un código de recuperación; si no hay dónde ingresarlo, use una aplicación que lo "
        "permita.",
    ),
    "STEP_UP_REQUIRED": (
        "Please confirm that it is you, with your password or a code of your second factor. If there is no "
        "field for it, sign in again.",
        "Por favor, confirme que es usted, con su contraseña o un código de su segundo factor. Si no hay "
        "dónde ingresarlo, inicie sesión de nuevo.",
    ),
    "TENANT_SUSPENDED": ("This business is suspended.", "Este negocio está suspendido."),
    "TENANT_DELETED.SIGN_IN": (
        "This business was deleted. Until {erased_at}, support can restore it; then its data is erased, and "
        "you can register again with this email address.",
        "Este negocio fue eliminado. Puede pedir a soporte que lo restaure hasta el {erased_at}; después se "
        "borran sus datos y usted puede registrarse de nuevo con este correo electrónico.",
    ),
    "RATE_LIMITED": (
        "Too many attempts. Please wait {seconds} s and try again.",
        "Demasiados intentos. Espere {seconds} s e intente de nuevo.",
    ),
    "OVERLOADED": (
        "Many people are using the service right now. Please try again in a moment.",
        "Hay muchas personas usando el servicio en este momento. Por favor, intente de nuevo en unos "
        "instantes.",
    ),
    "CLIENT_GONE": (
        "The connection was closed before the request was carried out.",
        "La conexión se cerró antes de que se realizara la solicitud.",
    ),
    "NO_SEAT.ADMIN": (
        "All administrator seats are taken (maximum: {max}).",
        "Todos los puestos de administrador están ocupados (máximo: {max}).",
    ),
    "NO_SEAT.MANAGER": (
        "All manager seats are taken (maximum: {max}).",
        "Todos los puestos de gerente están ocupados (máximo: {max}).",
    ),
    "NO_SEAT.CASHIER": (
        "All cashier seats are taken (maximum: {max}).",
        "Todos los puestos de cajero están ocupados (máximo: {max}).",
    ),
    "INVITATION_REQUIRED": (
        "Here people choose their own passwords: invite this person (inviteStaff) instead of creating the "
        "account.",
        "Aquí cada persona elige su propia contraseña: en lugar de crear la cuenta, invite a la persona "
        "(inviteStaff).",
    ),
    "NOT_FOUND": ("Not found.", "No encontrado."),
    "CONFLICT": (
        "This action is not possible in the current state.",
        "Esta acción no es posible en el estado actual.",
    ),
    "CONFLICT.ALREADY_INVITED": (
        "This person is already invited. Send the invitation again, or cancel it first.",
        "Esta persona ya está invitada. Reenvíe la invitación o cancélela primero.",
    ),
    "CONFLICT.LAST_OPERATOR": (
        "This is the last active operator. Add or reactivate another one first.",
        "Es el último operador activo. Primero agregue o reactive otro.",
    ),
    "CONFLICT.OWN_ACCOUNT": (
        "You cannot do this to your own account.",
        "No puede hacer esto con su propia cuenta.",
    ),
    "CONFLICT.REQUIRED_SECOND_FACTOR": (
        "A second factor is required for your account, so it cannot be turned off.",
        "Su cuenta requiere un segundo factor, por lo que no se puede desactivar.",
    ),
    "UNAUTHENTICATED": ("Please sign in first.", "Primero inicie sesión."),
    "FORBIDDEN": ("You do not have permission to do this.", "No tiene permiso para hacer esto."),
    "FORBIDDEN.SECOND_FACTOR": (
        "Set up a second factor first: operators need one here.",
        "Primero configure un segundo factor: aquí los operadores lo necesitan.",
    ),
    "INVALID_ARGUMENT.OUT_OF_RANGE": (
        "{argument} must be between {min} and {max}.",
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
        "{argument} contains control characters or emoji.",
        "{argument} contiene caracteres de control o emojis.",
    ),
    "BAD_REQUEST": ("The request is not valid.", "La solicitud no es válida."),
    "TIMEOUT": (
        "The request took longer than {seconds} s and was cancelled.",
        "La solicitud tardó más de {seconds} s y se canceló.",
    ),
    "INTROSPECTION_DISABLED": (
        "This server does not show its schema to this client.",
        "Este servidor no muestra su esquema a este cliente.",
    ),
    "UNAVAILABLE": (
        "The service is temporarily unavailable. Please try again in a few minutes.",
        "El servicio no está disponible en este momento. Por favor, intente de nuevo en unos minutos.",
    ),
    "INTERNAL": (
        "Something went wrong on our side. Please try again.",
        "Ocurrió un error de nuestro lado. Por favor, intente de nuevo.",
    ),
    # Confirmations.
    "BETA_KEY_VALID": ("This beta key is valid.", "Esta clave beta es válida."),
    "BETA_KEY_DELETED": (
        "The beta key has been deleted: no business can register with it.",
        "La clave beta fue eliminada: ningún negocio se puede registrar con ella.",
    ),
    "INVITATION_SENT": (
        "An invitation with the beta key is on its way to {email}.",
        "Una invitación con la clave beta va en camino a {email}.",
    ),
    "CODE_REQUESTED": (
        "If this address can receive a code, one is on its way.",
        "Si esta dirección puede recibir un código, ya va en camino.",
    ),
    "EMAIL_VERIFIED": ("Your email address is verified.", "Su correo electrónico fue verificado."),
    "PASSWORD_RESET": (
        "Your password has been changed. Please sign in.",
        "Su contraseña fue cambiada. Por favor, inicie sesión.",
    ),
    "PASSWORD_CHANGED": (
        "Your password has been changed and your other devices have been signed out.",
        "Su contraseña fue cambiada y se cerró la sesión en sus otros dispositivos.",
    ),
    "PASSKEY_REMOVED": ("The passkey has been removed.", "La llave de acceso fue eliminada."),
    "SECOND_FACTOR_OFF": (
        "The second factor has been turned off.",
        "El segundo factor fue desactivado.",
    ),
    "SECOND_FACTOR_RESET": (
        "The second factor of this person has been reset, and their sessions have ended.",
        "El segundo factor de esta persona fue restablecido y se cerraron sus sesiones.",
    ),
    "IDENTITY_CONFIRMED": ("Thank you, this is confirmed.", "Gracias, quedó confirmado."),
    "SESSION_REVOKED": ("That device has been signed out.", "Se cerró la sesión en ese dispositivo."),
    "SIGNED_OUT": ("You have signed out.", "Ha cerrado sesión."),
    "SIGNED_OUT_EVERYWHERE": (
        "You have signed out on all devices.",
        "Se cerró su sesión en todos los dispositivos.",
    ),
    "STAFF_SIGNED_OUT": (
        "This person has been signed out on all devices.",
        "Se cerró la sesión de esta persona en todos sus dispositivos.",
    ),
    "INVITATION_CANCELLED": (
        "The invitation has been cancelled: its link and its code are no longer valid.",
        "La invitación fue cancelada: su enlace y su código ya no son válidos.",
    ),
    "OPERATOR_REMOVED": (
        "This operator no longer has access.",
        "Este operador ya no tiene acceso.",
    ),
    "STAFF_REMOVED": ("This person no longer has access.", "Esta persona ya no tiene acceso."),
    "SUSPENDED": (
        "{name} is suspended: its staff no longer has access.",
        "{name} está suspendido: su personal ya no tiene acceso.",
    ),
    "REACTIVATED": (
        "The suspension of {name} has ended.",
        "La suspensión de {name} terminó.",
    ),
    "TENANT_DELETED": (
        "The business has been deleted and its staff no longer has access.",
        "El negocio fue eliminado y su personal ya no tiene acceso.",
    ),
}


_FIELD_LABELS: dict[str, tuple[str, str]] = {
    "betaKey": ("Beta key", "Clave beta"),
    "businessName": ("Name of the business", "Nombre del negocio"),
    "nit": ("Tax id", "NIT"),
    "businessType": ("Type of business", "Tipo de negocio"),
    "address": ("Address", "Dirección"),
    "businessPhone": ("Phone of the business", "Teléfono del negocio"),
    "businessEmail": ("Email of the business", "Correo del negocio"),
    "email": ("Email", "Correo electrónico"),
    "firstName": ("First name", "Nombre"),
    "lastName": ("Last name", "Apellido"),
    "documentId": ("Identity document", "Documento de identidad"),
    "phoneNumber": ("Phone", "Teléfono"),
    "password": ("Password", "Contraseña"),
    "identifier": ("Email or phone", "Correo o teléfono"),
    "otpCode": ("Code", "Código"),
    "count": ("Number of keys", "Cantidad de claves"),
    "notes": ("Notes", "Notas"),
    "id": ("Business", "Negocio"),
    "tenantId": ("Business", "Negocio"),
}
"""What people call a field. Other fields have their name in the API."""


def field_label(name: str, language: str) -> str:
    """What people call the field `name` of the API in one of `LANGUAGES`."""
    return _FIELD_LABELS.get(name, (name, name))[LANGUAGES.index(language)]


def message(code: str, language: str, **values: Any) -> str:
    """The message of a code in one of `LANGUAGES`, with `values` in its placeholders."""
    template = _MESSAGES[code][LANGUAGES.index(language)]
    return template.format(**values) if values else template
