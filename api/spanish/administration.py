"""What the commands for keys, tenants, operators, users, mails and audit events print, and their errors."""

ADMINISTRATION = {
    # Headings and cells of tables in a terminal.
    "key": "clave",
    "status": "estado",
    "batch": "lote",
    "for": "para",
    "expires": "vence",
    "notes": "notas",
    "history": "historia",
    "available": "disponibles",
    "used": "usadas",
    "expired": "vencidas",
    "revoked": "revocadas",
    "total": "total",
    "usagePercentage": "porcentaje de uso",
    "tax id": "NIT",
    "name": "nombre",
    "owner": "dueño",
    "seats": "puestos",
    "registered": "registrado",
    "email": "correo",
    "role": "rol",
    "active": "activo",
    "tenant": "negocio",
    "added": "agregado",
    "recipient": "destinatario",
    "mail": "correo",
    "tries": "intentos",
    "failed": "falló",
    "error": "error",
    "True": "sí",
    "False": "no",
    "used by {}, {}": "usada por {}, {}",
    "used by a deleted business, {}": "usada por un negocio eliminado, {}",
    "revoked {}: {}": "revocada {}: {}",
    "revoked {}: no reason given": "revocada {}: sin motivo",
    "sent {}": "enviada {}",
    "deleted {}": "eliminado {}",
    "suspended: {}": "suspendido: {}",
    "suspended: no reason given": "suspendido: sin motivo",
    "admin {}, manager {}, cashier {}": "administradores {}, gerentes {}, cajeros {}",
    # Questions
    "{} [y/N]": "{0:es} [s/N]",
    "Delete {}, tax id {}?": "¿Eliminar {}, NIT {}?",
    "Remove {} {}, {}?": "¿Eliminar a {} {}, {}?",
    # Times
    "{} is not a time such as 2027-01-31 or '2027-01-31 12:00'": (
        "{} no es un momento como 2027-01-31 o '2027-01-31 12:00'"
    ),
    "{} is not a time such as 30d, 12h, 45m, 2w, 2027-01-31 or '2027-01-31 12:00'": (
        "{} no es un plazo o una fecha como 30d, 12h, 45m, 2w, 2027-01-31 o '2027-01-31 12:00'"
    ),
    "{} is in the past": "{} está en el pasado",
    # Keys
    "beta key {} not found; see: gatehouse keys list": "no existe la clave beta {}; vea: gatehouse keys list",
    "beta key {} is not available or belongs to another recipient, so it cannot be sent; see: gatehouse"
    " keys show {}": (
        "la clave beta {} no está disponible o es de otro destinatario, así que no se puede enviar; vea:"
        " gatehouse keys show {}"
    ),
    "beta key {} is already used or revoked, so it cannot be revoked; see: gatehouse keys show {}": (
        "la clave beta {} ya fue usada o revocada, así que no se puede revocar; vea: gatehouse keys show {}"
    ),
    "give --notes, --expires or both": "indique --notes, --expires o ambas",
    "--csv and --json exclude one another": "no se pueden usar --csv y --json a la vez",
    "more than {} keys need a file: --csv keys.csv": (
        "más de {} claves necesitan un archivo: --csv claves.csv"
    ),
    "{} keys written to {}": "claves escritas en {1}: {0}",
    "{} keys imported": "claves importadas: {}",
    "the keys are issued, but {}; see: gatehouse keys export": (
        "las claves fueron emitidas, pero {0:es}; vea: gatehouse keys export"
    ),
    "line {}, {}: {}": "línea {}, {}: {}",
    "nothing was imported: {} problems in {}": "no se importó nada; problemas en {1}: {0}",
    "nothing was imported: {} problems in {}; the first {} are shown": (
        "no se importó nada; problemas en {1}: {0}; se muestran los primeros {2}"
    ),
    "{}: sent": "{}: enviada",
    "{}: already has a key": "{}: ya tiene una clave",
    "{}: is not a valid email address": "{}: no es un correo electrónico válido",
    "{}: batch {} has no keys left": "{}: al lote {} no le quedan claves",
    "{} of {} addresses got no key; fix the cause above and run this again": (
        "{} de {} direcciones no recibieron una clave; corrija la causa indicada arriba y ejecute esto de"
        " nuevo"
    ),
    "hourly limit of invitations reached; continuing at {}": (
        "se alcanzó el límite de invitaciones por hora; continúa el {}"
    ),
    # Files
    "{} already exists; choose another file": "{} ya existe; elija otro archivo",
    "{} cannot be read ({})": "{} no se puede leer ({})",
    "{} cannot be written ({}); choose another place": "{} no se puede escribir ({}); elija otro lugar",
    "{} is not in UTF-8; save it as CSV in UTF-8": "{} no está en UTF-8; guárdelo como CSV en UTF-8",
    "{} is not CSV ({}); is a quotation mark missing?": "{} no es CSV ({}); ¿falta una comilla?",
    # Operators
    "operator {} added": "operador {} agregado",
    "password: {}": "contraseña: {}",
    "the password on standard input is not UTF-8": "la contraseña de la entrada estándar no está en UTF-8",
    "Remove the operator {}?": "¿Eliminar al operador {}?",
    "operator {} removed": "operador {} eliminado",
    "operator {} deactivated": "operador {} desactivado",
    "operator {} reactivated": "operador {} reactivado",
    "operator {} has a new password": "el operador {} tiene una contraseña nueva",
    "operator {} not found; see: gatehouse operators list": (
        "no existe el operador {}; vea: gatehouse operators list"
    ),
    "operator {} is the last active one; add another first: gatehouse operators add EMAIL": (
        "el operador {} es el último activo; agregue primero otro: gatehouse operators add CORREO"
    ),
    "operator {} cannot be removed, because rows of the old system refer to the operator; run: gatehouse"
    " operators deactivate": (
        "el operador {} no se puede eliminar, porque hay filas del sistema anterior que se refieren a él;"
        " ejecute: gatehouse operators deactivate"
    ),
    "operator {} is already inactive": "el operador {} ya está inactivo",
    "operator {} is not deactivated": "el operador {} no está desactivado",
    # Tenants
    "tenant {} not found; see: gatehouse tenants list": (
        "no existe el negocio {}; vea: gatehouse tenants list"
    ),
    "tenant {} is already suspended; see: gatehouse tenants show {}": (
        "el negocio {} ya está suspendido; vea: gatehouse tenants show {}"
    ),
    "tenant {} is not suspended; see: gatehouse tenants show {}": (
        "el negocio {} no está suspendido; vea: gatehouse tenants show {}"
    ),
    "tenant {} has more active staff than that; see: gatehouse tenants show {}": (
        "el negocio {} tiene más personal activo que eso; vea: gatehouse tenants show {}"
    ),
    "tenant {} is already deleted; see: gatehouse tenants show {}": (
        "el negocio {} ya está eliminado; vea: gatehouse tenants show {}"
    ),
    "tenant {} is not deleted; see: gatehouse tenants show {}": (
        "el negocio {} no está eliminado; vea: gatehouse tenants show {}"
    ),
    "tenant {} is deleted; to restore it: gatehouse tenants restore {}": (
        "el negocio {} está eliminado; para restaurarlo: gatehouse tenants restore {}"
    ),
    "tenant {} is deleted; see: gatehouse tenants restore": (
        "el negocio {} está eliminado; vea: gatehouse tenants restore"
    ),
    "tenant {} has no free seat for the role {}; see: gatehouse tenants seats --help": (
        "el negocio {} no tiene un puesto libre para el rol {}; vea: gatehouse tenants seats --help"
    ),
    "tenant {} has an owner already; leave out --owner; see: gatehouse tenants show {}": (
        "el negocio {} ya tiene dueño; quite --owner; vea: gatehouse tenants show {}"
    ),
    # Users
    "user {} not found; see: gatehouse users list": "no existe el usuario {}; vea: gatehouse users list",
    "user {} has a tenant; see: gatehouse tenants show {}": (
        "el usuario {} tiene un negocio; vea: gatehouse tenants show {}"
    ),
    "user {} is an operator; see: gatehouse operators list": (
        "el usuario {} es operador; vea: gatehouse operators list"
    ),
    "an operator has no tenant; run: gatehouse operators add {}": (
        "un operador no tiene negocio; ejecute: gatehouse operators add {}"
    ),
    "user {} cannot be removed, because rows of the old system refer to the user; delete those first, or"
    " leave the user: without a tenant they may do nothing": (
        "el usuario {} no se puede eliminar, porque hay filas del sistema anterior que se refieren a él;"
        " elimine primero esas filas, o deje al usuario: sin un negocio no puede hacer nada"
    ),
    "user {} removed": "usuario {} eliminado",
    # Audit events
    "gatehouse: the database cannot be reached; trying again every second": (
        "gatehouse: no se puede conectar con la base de datos; se intenta de nuevo cada segundo"
    ),
    "{} {}, so this address cannot register with a key": (
        "{0} {1:es}, así que esta dirección no se puede registrar con una clave"
    ),
    "nothing was sent: {} {}, so this address cannot register with a key; to send it anyway, add --yes": (
        "no se envió nada: {0} {1:es}, así que esta dirección no se puede registrar con una clave; para"
        " enviarla de todos modos, agregue --yes"
    ),
    "line {}: {} {}, so this address cannot register with a key": (
        "línea {0}: {1} {2:es}, así que esta dirección no se puede registrar con una clave"
    ),
    "Send the key anyway?": "¿Enviar la clave de todos modos?",
    "not imported, because they are {}: {}": "no se importaron, porque su estado es {}: {}",
    "columns that were not imported: {}": "columnas que no se importaron: {}",
    "there was nothing to import: {} has no available keys": (
        "no había nada que importar: {} no tiene claves disponibles"
    ),
    "{}: 1 problem in {}": "{0:es}: 1 problema en {1}",
    "{}: 1 problem in {}; the first {} are shown": "{0:es}: 1 problema en {1}; se muestran los primeros {2}",
    "{}: {} problems in {}": "{0:es}: {1} problemas en {2}",
    "{}: {} problems in {}; the first {} are shown": (
        "{0:es}: {1} problemas en {2}; se muestran los primeros {3}"
    ),
    "nothing was sent": "no se envió nada",
    "nothing was imported": "no se importó nada",
    "nothing was sent: {} has no addresses": "no se envió nada: {} no tiene direcciones",
    "nothing was sent: {} is not CSV in line {}; is a quotation mark missing?": (
        "no se envió nada: {} no es CSV en la línea {}; ¿falta una comilla?"
    ),
    "nothing was sent: batch {} has {} keys too few for {} addresses; issue them: gatehouse keys issue"
    " --count {} --batch {}": (
        "no se envió nada: al lote {} le faltan {} claves para {} direcciones; emítalas: gatehouse keys issue"
        " --count {} --batch {}"
    ),
    "lines with a key and no address, which are left out: {}": (
        "líneas con una clave y sin dirección, que se omiten: {}"
    ),
    "nothing was sent: addresses that have an account: {}; take them out of {}, or add --yes to send to them"
    " too": (
        "no se envió nada: direcciones que tienen una cuenta: {}; quítelas de {}, o agregue --yes para"
        " enviarles también"
    ),
    "nothing was sent; to send, run this again with --yes": (
        "no se envió nada; para enviar, ejecute esto de nuevo con --yes"
    ),
    "operator {} signs in with a second factor; recovery codes, shown only now:": (
        "el operador {} inicia sesión con un segundo factor; códigos de recuperación, que se muestran solo"
        " ahora:"
    ),
    "Code that the app shows": "Código que muestra la aplicación",
    "operator {} has no second factor any more": "el operador {} ya no tiene segundo factor",
    "operator {} has a second factor, or OPERATOR_SECOND_FACTOR is off; see: gatehouse operators"
    " reset-second-factor --help": (
        "el operador {} tiene un segundo factor, u OPERATOR_SECOND_FACTOR está apagada; vea: gatehouse"
        " operators reset-second-factor --help"
    ),
    "operator {} has no second factor": "el operador {} no tiene segundo factor",
    "user {} has no second factor any more": "el usuario {} ya no tiene segundo factor",
    "user {} not found": "no existe el usuario {}",
    "user {} has no second factor": "el usuario {} no tiene segundo factor",
    "SECOND_FACTOR_KEYS lacks the key that encrypted the secret of an authenticator app": (
        "en SECOND_FACTOR_KEYS falta la clave que cifró el secreto de una aplicación de autenticación"
    ),
}
