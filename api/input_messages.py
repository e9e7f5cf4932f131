"""The messages about what a client sends: requests that cannot be read, and fields that are not valid."""

INPUT_MESSAGES: dict[str, tuple[str, str]] = {
    # Requests that cannot be read: `HttpError`.
    "HTTP.CONTENT_TYPE": (
        "The content type must be application/json, in UTF-8.",
        "El tipo de contenido debe ser application/json, en UTF-8.",
    ),
    "HTTP.COMPRESSED": (
        "The body must not be compressed: send it without Content-Encoding.",
        "El cuerpo no debe estar comprimido: envíelo sin Content-Encoding.",
    ),
    "HTTP.BODY_TOO_LARGE": ("The body is larger than {max} bytes.", "El cuerpo tiene más de {max} bytes."),
    "HTTP.NUMBER_TOO_LARGE": (
        "The body has a number that is too large.",
        "El cuerpo tiene un número demasiado grande.",
    ),
    "HTTP.NOT_JSON": ("The body is not JSON in UTF-8.", "El cuerpo no es JSON en UTF-8."),
    "HTTP.NOT_OBJECT": ("The body must be a JSON object.", "El cuerpo debe ser un objeto JSON."),
    "HTTP.BATCH": (
        "The body must be one JSON object; there is no batching.",
        "El cuerpo debe ser un solo objeto JSON; no se aceptan lotes.",
    ),
    "HTTP.QUERY_STRING_TOO_LONG": (
        "The query string is longer than {max} bytes.",
        "Los parámetros de la URL tienen más de {max} bytes.",
    ),
    "HTTP.TOO_MANY_PARAMETERS": (
        "The query string has more than {max} parameters.",
        "La cadena de consulta tiene más de {max} parámetros.",
    ),
    "HTTP.QUERY_STRING_NOT_UTF8": (
        "The query string is not UTF-8.",
        "Los parámetros de la URL no están en UTF-8.",
    ),
    "HTTP.QUERY_REQUIRED": (
        "The parameter query is required, and must be a string.",
        "El parámetro query es obligatorio y debe ser texto.",
    ),
    "HTTP.NOT_TEXT": (
        "The parameter {argument} must be a string.",
        "El parámetro {argument} debe ser texto.",
    ),
    "HTTP.PARAMETER_NOT_JSON": (
        "The parameter {argument} is not JSON.",
        "El parámetro {argument} no es JSON.",
    ),
    "HTTP.PARAMETER_NOT_OBJECT": (
        "The parameter {argument} must be an object.",
        "El parámetro {argument} debe ser un objeto.",
    ),
    "HTTP.HASH_FORM": (
        "extensions.persistedQuery.sha256Hash must have 64 hexadecimal digits.",
        "extensions.persistedQuery.sha256Hash debe tener 64 dígitos hexadecimales.",
    ),
    "HTTP.OTHER_HASH": (
        "extensions.persistedQuery.sha256Hash is not the SHA-256 of the query.",
        "extensions.persistedQuery.sha256Hash no es el SHA-256 de query.",
    ),
    "HTTP.WEBSOCKET": (
        "WebSocket is not supported. There are no subscriptions: send queries and mutations with POST.",
        "WebSocket no se admite. No hay suscripciones: envíe las consultas y mutaciones con POST.",
    ),
    "HTTP.METHOD": (
        "The method must be GET or POST. There are no subscriptions: send queries and mutations with POST.",
        "El método debe ser GET o POST. No hay suscripciones: envíe las consultas y mutaciones con POST.",
    ),
    "HTTP.MUTATION_BY_GET": ("Mutations must be sent with POST.", "Las mutaciones se deben enviar con POST."),
    "HTTP.NOT_ACCEPTABLE": (
        "Accept application/graphql-response+json or application/json.",
        "Acepte application/graphql-response+json o application/json.",
    ),
    "HTTP.EVENT_STREAM": (
        "Server-sent events are not supported. There are no subscriptions: send queries and mutations with "
        "POST. Accept application/graphql-response+json or application/json.",
        "Los eventos enviados por el servidor no se admiten. No hay suscripciones: envíe las consultas y "
        "mutaciones con POST. Acepte application/graphql-response+json o application/json.",
    ),
    # Problems of one field: `FieldProblem.code`.
    "REQUIRED": ("This field is required.", "Este campo es obligatorio."),
    "TOO_SHORT": ("Use at least {min} characters.", "Use al menos {min} caracteres."),
    "TOO_LONG": ("Use at most {max} characters.", "Use como máximo {max} caracteres."),
    "TOO_SMALL": ("This must be at least {min}.", "Debe ser como mínimo {min}."),
    "TOO_LARGE": ("This must be at most {max}.", "Debe ser como máximo {max}."),
    "INVALID_CHARACTERS": (
        "Control characters and emoji are not allowed here.",
        "Aquí no se permiten caracteres de control ni emojis.",
    ),
    "WEB_ADDRESS": (
        "Web and email addresses are not allowed here.",
        "Aquí no se permiten direcciones web ni correos electrónicos.",
    ),
    "INVALID_EMAIL": ("This is not a valid email address.", "No es un correo electrónico válido."),
    "AMBIGUOUS_EMAIL": (
        "This email address can be mistaken for another one. Write it with the letters of one script, and in "
        "lower case.",
        "Este correo electrónico se puede confundir con otro. Escríbalo con letras de un solo alfabeto y en "
        "minúsculas.",
    ),
    "SAME_EMAIL": (
        "This is your email address already.",
        "Este ya es su correo electrónico.",
    ),
    "INVALID_PHONE": ("This is not a valid phone number.", "No es un número de teléfono válido."),
    "INVALID_TAX_ID": ("This is not a valid tax id.", "No es un NIT válido."),
    "INVALID_CHOICE": ("This is not one of the allowed values.", "No es una de las opciones permitidas."),
    "NOT_TEXT": ("This must be text.", "Debe ser texto."),
    "NOT_NUMBER": ("This must be a whole number.", "Debe ser un número entero."),
    "WEAK_PASSWORD": (
        "Use at least one lower-case letter, one upper-case letter, one digit and one special character.",
        "Use al menos una minúscula, una mayúscula, un número y un carácter especial.",
    ),
    "COMMON_PASSWORD": (
        "Attackers try this password first. Use several words that do not belong together.",
        "Los atacantes prueban primero esta contraseña. Use varias palabras que no tengan relación.",
    ),
    "PERSONAL_PASSWORD": (
        "Do not use your email, your name, your numbers or the name of the business in the password.",
        "No use su correo, su nombre, sus números ni el nombre del negocio en la contraseña.",
    ),
    "SAME_PASSWORD": (
        "This is the current password. Choose another one.",
        "Esta es la contraseña actual. Elija otra.",
    ),
    "INVALID_KEY": ("This is not a valid beta key.", "No es una clave beta válida."),
    "INVALID_TIME": (
        "Use a day such as 2027-01-31, or a time such as 2027-01-31 12:00.",
        "Use un día como 2027-01-31, o una hora como 2027-01-31 12:00.",
    ),
    "IN_THE_PAST": ("This must be in the future.", "Debe ser una fecha futura."),
    "ONE_KEY_EACH": (
        "Only one key at a time can be issued to a recipient.",
        "Solo se puede emitir una clave a la vez para un destinatario.",
    ),
    "THERE_ALREADY": ("This key already exists.", "Esta clave ya existe."),
    "REPEATED": ("This key is also in line {line}.", "Esta clave también está en la línea {line}."),
    # Problems of a line of a file.
    "UNKNOWN_COLUMN": (
        "The columns are key, notes, batch, expiresAt, recipientEmail and status, in English or Spanish.",
        "Las columnas son clave, notas, lote, vencimiento, destinatario y estado, en español o inglés.",
    ),
    "LINE.REPEATED_COLUMN": ("Another column means the same.", "Otra columna significa lo mismo."),
    "LINE.REPEATED_HEADING": (
        "The heading is here again, as where two files were joined.",
        "El encabezado está aquí otra vez, como donde se unieron dos archivos.",
    ),
    "TOO_MANY_CELLS": (
        "This line has more cells than the heading.",
        "Esta línea tiene más celdas que el encabezado.",
    ),
    "LINE.UNBALANCED_QUOTES": (
        "The quotation marks do not match; is one missing?",
        "Las comillas no coinciden; ¿falta alguna?",
    ),
    "LINE.NOT_CSV": (
        "This is a workbook or another file that is not text; export it as CSV.",
        "Es un libro de cálculo u otro archivo que no es texto; expórtelo como CSV.",
    ),
    "LINE.NOT_UTF_8": (
        "This text is not in UTF-8; save the file as CSV in UTF-8.",
        "Este texto no está en UTF-8; guarde el archivo como CSV en UTF-8.",
    ),
    "LINE.UNKNOWN_STATUS": (
        "Use a status such as available, used, expired or revoked.",
        "Use un estado como disponible, usada, vencida o revocada.",
    ),
    "LINE.CONTRADICTORY_STATUS": (
        "The key is available here, and used or revoked in another column.",
        "Aquí la clave está disponible, y en otra columna está usada o revocada.",
    ),
    "LINE.NOT_A_KEY": ("This is a total, not a key.", "Es un total, no una clave."),
    "LINE.NO_ADDRESS": (
        "This is neither an email address nor a heading such as email or correo.",
        "No es un correo electrónico ni un encabezado como correo o email.",
    ),
    "LINE.NO_ADDRESS_HEADING": (
        "No heading such as email or correo names the column of the addresses; choose it with --column.",
        "Ningún encabezado como correo o email nombra la columna de las direcciones; elíjala con --column.",
    ),
    "LINE.NO_SUCH_COLUMN": ("No column has this heading.", "Ninguna columna tiene este encabezado."),
    "LINE.SEVERAL_COLUMNS": (
        "Several columns hold the same kind of value; choose that of the addresses with --column.",
        "Varias columnas tienen el mismo tipo de dato; elija la de las direcciones con --column.",
    ),
    "LINE.SEVERAL_ADDRESSES": (
        "This line has several addresses; write each in a line of its own.",
        "Esta línea tiene varias direcciones; escriba cada una en su propia línea.",
    ),
    "LINE.ADDRESS_ELSEWHERE": (
        "The address is in another column than those of the other lines.",
        "La dirección está en otra columna que las de las demás líneas.",
    ),
    "LINE.REPEATED_PAIR": (
        "The address or the key is also in line {line}, beside another one.",
        "La dirección o la clave también está en la línea {line}, junto a otra.",
    ),
    "LINE.OTHER_BATCH": ("This key belongs to another batch.", "Esta clave es de otro lote."),
}
