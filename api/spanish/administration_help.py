"""The help of the commands for keys, mails, operators, tenants and users."""

ADMINISTRATION_HELP = {
    # `gatehouse keys`
    "Issue and manage beta keys.": "Emite y administra claves beta.",
    "Issue beta keys, all or none.": "Emite claves beta, todas o ninguna.",
    "The number of keys.": "La cantidad de claves.",
    "A note, shown in listings.": "Una nota, que aparece en los listados.",
    "A name to list, count and send these keys by.": "Un nombre para listar, contar y enviar estas claves.",
    "The only email address that may use the key; for one key.": (
        "El único correo electrónico que puede usar la clave; para una sola clave."
    ),
    "When the keys expire: after 30d, 12h, 45m or 2w, at the end of a day such as 2027-01-31, or at"
    " '2027-01-31 12:00', in TIME_ZONE.": (
        "Cuándo vencen las claves: después de 30d, 12h, 45m o 2w, al final de un día como 2027-01-31, o a una"
        " hora como '2027-01-31 12:00', en TIME_ZONE."
    ),
    "Write the keys to this new file.": "Escribe las claves en este archivo nuevo.",
    "List beta keys, newest first.": "Lista las claves beta, comenzando por las más recientes.",
    "Only keys with this status.": "Solo las claves con este estado.",
    "Only keys of this batch.": "Solo las claves de este lote.",
    "Only keys with this text in the key, the notes or the recipient.": (
        "Solo las claves con este texto en la clave, las notas o el destinatario."
    ),
    "The largest number of keys.": "La cantidad máxima de claves.",
    "Count beta keys by status.": "Cuenta las claves beta por estado.",
    "Show one beta key.": "Muestra una clave beta.",
    "The beta key; case, spaces and dashes do not matter.": (
        "La clave beta; no importan las mayúsculas, los espacios ni los guiones."
    ),
    "Change the notes or the expiry of a beta key.": "Cambia las notas o el vencimiento de una clave beta.",
    "The new note; '' removes it.": "La nota nueva; '' la quita.",
    "When the key expires, as in keys issue; '' means never.": (
        "Cuándo vence la clave, como en keys issue; '' significa nunca."
    ),
    "Mail an invitation with a beta key to one address.": (
        "Envía por correo a una dirección una invitación con una clave beta."
    ),
    "The recipient; only this address may use the key then.": (
        "El destinatario; desde entonces solo esta dirección puede usar la clave."
    ),
    "The language of the mail.": "El idioma del correo.",
    "Revoke an unused beta key, so that no business can register with it.": (
        "Revoca una clave beta sin usar, para que ningún negocio se pueda registrar con ella."
    ),
    "The reason, stored with the key.": "El motivo, que se guarda con la clave.",
    "Write beta keys as CSV or JSON, in no particular order.": (
        "Escribe las claves beta como CSV o JSON, sin un orden particular."
    ),
    "In CSV, no cell can run as a formula in a spreadsheet.": (
        "En CSV, ninguna celda se puede ejecutar como fórmula en una hoja de cálculo."
    ),
    "Write to this new file instead of standard output.": (
        "Escribe en este archivo nuevo en lugar de la salida estándar."
    ),
    "Import beta keys that another system issued, all or none; print each bad line with its number.": (
        "Importa claves beta que emitió otro sistema, todas o ninguna; muestra cada línea con errores y su"
        " número."
    ),
    "CSV with a heading: key, notes, batch, expiresAt, recipientEmail.": (
        "CSV con encabezado: key, notes, batch, expiresAt, recipientEmail."
    ),
    "Mail each address one key of a batch; an address that has one gets no other. Safe to run again.": (
        "Envía por correo a cada dirección una clave de un lote; la que ya tiene una no recibe otra. Se puede"
        " ejecutar de nuevo sin riesgo."
    ),
    "The batch whose keys are sent.": "El lote cuyas claves se envían.",
    "A file of addresses: one a line, or CSV with a column named email.": (
        "Un archivo con direcciones: una por línea, o CSV con una columna llamada email."
    ),
    # `gatehouse mail`
    "Inspect the mails that Gatehouse sends.": "Muestra los correos que envía Gatehouse.",
    "List the mails that failed permanently, newest first; they are deleted after 90 days.": (
        "Lista los correos que fallaron definitivamente, comenzando por los más recientes; se eliminan"
        " después de 90 días."
    ),
    "The largest number of mails.": "La cantidad máxima de correos.",
    # `gatehouse operators`
    "Manage the operators, who issue keys and manage tenants.": (
        "Administra a los operadores, que emiten claves y administran negocios."
    ),
    "Add an operator, and print the generated password once.": (
        "Agrega un operador, y muestra una sola vez la contraseña generada."
    ),
    "The address to sign in with.": "El correo electrónico para iniciar sesión.",
    "Read the password from standard input; none is generated.": (
        "Lee la contraseña de la entrada estándar; no se genera ninguna."
    ),
    "List the operators, oldest first.": "Lista los operadores, comenzando por los más antiguos.",
    "Delete an operator, whose email address can then be used again, and end their sessions.": (
        "Elimina un operador, cuyo correo electrónico se puede usar de nuevo, y cierra sus sesiones."
    ),
    "The email address or the id of the operator.": "El correo electrónico o el id del operador.",
    "End the sessions of an operator, who cannot sign in until they are reactivated.": (
        "Cierra las sesiones de un operador, que no puede iniciar sesión hasta que sea reactivado."
    ),
    "Let a deactivated operator sign in again.": (
        "Permite que un operador desactivado inicie sesión de nuevo."
    ),
    "Give an operator a new password, printed once, and end their sessions.": (
        "Le da a un operador una contraseña nueva, que se muestra una sola vez, y cierra sus sesiones."
    ),
    # `gatehouse tenants`
    "Manage tenants, the businesses that have registered.": "Administra los negocios que se han registrado.",
    "List tenants, newest first.": "Lista los negocios, comenzando por los más recientes.",
    "Only active or only suspended tenants.": "Solo los negocios activos o solo los suspendidos.",
    "Only deleted tenants, which can still be restored.": (
        "Solo los negocios eliminados, que todavía se pueden restaurar."
    ),
    "Only tenants with this text in the name, the tax id or an email address.": (
        "Solo los negocios con este texto en el nombre, el NIT o un correo electrónico."
    ),
    "The largest number of tenants.": "La cantidad máxima de negocios.",
    "Show one tenant, also if it is deleted.": "Muestra un negocio, aunque esté eliminado.",
    "The tax id or the id of the tenant.": "El NIT o el id del negocio.",
    "Suspend a tenant and end all access of its staff immediately.": (
        "Suspende un negocio y termina de inmediato todo acceso de su personal."
    ),
    "The reason; the staff sees it at sign-in.": "El motivo; el personal lo ve al iniciar sesión.",
    "Give the staff of a suspended tenant access again.": (
        "Devuelve el acceso al personal de un negocio suspendido."
    ),
    "Set how many active staff a tenant may have.": "Fija cuántas personas activas puede tener un negocio.",
    "The number of admins, including the owner.": "La cantidad de administradores, incluido el dueño.",
    "The number of managers.": "La cantidad de gerentes.",
    "The number of cashiers.": "La cantidad de cajeros.",
    "Delete a tenant and sign its staff out; its data is erased DELETION_GRACE_DAYS later.": (
        "Elimina un negocio y cierra la sesión de su personal; sus datos se borran DELETION_GRACE_DAYS días"
        " después."
    ),
    "Delete without asking.": "Elimina sin preguntar.",
    "Restore a deleted tenant as it was, unless its data is already erased.": (
        "Restaura un negocio eliminado tal como estaba, salvo que sus datos ya se hayan borrado."
    ),
    # `gatehouse users`
    "Users without a tenant, as an adopted database may have.": (
        "Usuarios sin negocio, como los puede tener una base de datos adoptada."
    ),
    "List the users who have no tenant and are no operators, oldest first.": (
        "Lista los usuarios que no tienen negocio ni son operadores, comenzando por los más antiguos."
    ),
    "Each can register with a beta key, their email and their password, and then owns the new tenant.": (
        "Cada uno se puede registrar con una clave beta, su correo y su contraseña, y entonces es el dueño"
        " del negocio nuevo."
    ),
    "The largest number of users.": "La cantidad máxima de usuarios.",
    "Make a user without a tenant staff of one.": "Agrega un usuario sin negocio al personal de uno.",
    "The email address or the id of the user.": "El correo electrónico o el id del usuario.",
    "The role in the tenant; by default that of now.": "El rol en el negocio; si no se indica, el actual.",
    "Make the user the owner of a tenant that has none.": (
        "Hace al usuario dueño de un negocio que no tiene dueño."
    ),
    "Delete a user without a tenant, whose email address can then be used again.": (
        "Elimina un usuario sin negocio, cuyo correo electrónico se puede usar de nuevo."
    ),
    "Remove without asking.": "Elimina sin preguntar.",
    "Mail an invitation with a beta key to one address; ask first if that has an account.": (
        "Envía por correo a una dirección una invitación con una clave beta; pregunta antes si ya tiene una"
        " cuenta."
    ),
    "Send without asking, also to an address that has an account.": (
        "Envía sin preguntar, también a una dirección que tiene una cuenta."
    ),
    "Import the available beta keys of a file, all or none; print each doubtful line with its number.": (
        "Importa las claves beta disponibles de un archivo, todas o ninguna; muestra cada línea dudosa con su"
        " número."
    ),
    "CSV with a heading: key, notes, batch, expiresAt, recipientEmail, status, in English or Spanish; -"
    " is standard input.": (
        "CSV con encabezado: key, notes, batch, expiresAt, recipientEmail, status, en inglés o español; - es"
        " la entrada estándar."
    ),
    "Nothing is sent if a line of the file is doubtful. At a terminal, it shows what it would send, and"
    " asks.": (
        "No se envía nada si una línea del archivo es dudosa. En una terminal, muestra lo que enviaría y"
        " pregunta."
    ),
    "A file of addresses: one a line, a list of a mail program, or CSV with a column such as email or"
    " correo; - is standard input.": (
        "Un archivo con direcciones: una por línea, la lista de un programa de correo, o CSV con una columna"
        " como email o correo; - es la entrada estándar."
    ),
    "The heading of the column with the addresses, where several have some.": (
        "El encabezado de la columna con las direcciones, si varias las tienen."
    ),
    "Set up the authenticator app of an operator: scan the QR code, type a code, note the recovery codes.": (
        "Configura la aplicación de autenticación de un operador: escanee el código QR, escriba un código,"
        " anote los códigos de recuperación."
    ),
    "Delete the second factor of an operator who has lost the device, and end their sessions.": (
        "Elimina el segundo factor de un operador que perdió el dispositivo, y cierra sus sesiones."
    ),
    "Users without a tenant, as an adopted database may have, and second factors that were lost.": (
        "Usuarios sin negocio, como los puede tener una base de datos adoptada, y segundos factores perdidos."
    ),
    "Delete the second factor of a user who has lost the device, with a tenant or without.": (
        "Elimina el segundo factor de un usuario que perdió el dispositivo, con negocio o sin él."
    ),
}
