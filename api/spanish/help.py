"""The help of commands, their arguments and options."""

HELP = {
    # `gatehouse`
    "Gatehouse, the registration of a closed beta: issue beta keys, manage tenants, run the server.": (
        "Gatehouse, el registro de una beta cerrada: emita claves beta, administre negocios, ejecute el"
        " servidor."
    ),
    "Print the version, and exit.": "Muestra la versión y termina.",
    "Print JSON instead of a table.": "Escribe JSON en lugar de una tabla.",
    "Examples:": "Ejemplos:",
    "Run the server on HOST and PORT until Ctrl-C or SIGTERM.": (
        "Ejecuta el servidor en HOST y PORT hasta Ctrl-C o SIGTERM."
    ),
    "Send mails and erase expired data until Ctrl-C or SIGTERM, for servers that run with WORKER=off.": (
        "Envía correos y borra datos vencidos hasta Ctrl-C o SIGTERM, para servidores que funcionan con"
        " WORKER=off."
    ),
    "Check the server and the workers of this machine, for a container; exit code 1 if one does not work.": (
        "Revisa el servidor y los procesos de correo de esta máquina, para un contenedor; código de salida 1"
        " si alguno no funciona."
    ),
    "Check everything that a deployed server needs: its settings, database, mail server and proxies.": (
        "Revisa todo lo que necesita un servidor desplegado: su configuración, base de datos, servidor de"
        " correo y proxies."
    ),
    "Exit code 0: all is well; 1: a check failed; 3: warnings only.": (
        "Código de salida 0: todo está bien; 1: falló una revisión; 3: solo hay advertencias."
    ),
    "Send a test mail there.": "Envía un correo de prueba a esa dirección.",
    "Seconds that a check may take.": "Segundos que puede tardar cada revisión.",
    "Check a running server over HTTP; exit code 1 if a check fails.": (
        "Revisa por HTTP un servidor en funcionamiento; código de salida 1 si falla una revisión."
    ),
    "Such as https://beta.example.com.": "Por ejemplo, https://beta.example.com.",
    # `gatehouse audit`
    "Show audit events: who did what, when and from where, the newest last.": (
        "Muestra los eventos de auditoría: quién hizo qué, cuándo y desde dónde; los más recientes al final."
    ),
    "Keep printing new events until Ctrl-C.": "Sigue mostrando los eventos nuevos hasta Ctrl-C.",
    "Only events with this action, such as tenant.suspended.": (
        "Solo los eventos con esta acción, por ejemplo tenant.suspended."
    ),
    "Only events of the tenant with this tax id or id.": "Solo los eventos del negocio con este NIT o id.",
    "Only events whose actor has this email address.": (
        "Solo los eventos cuyo autor tiene este correo electrónico."
    ),
    "Only events from this day or time on: 2027-01-31 or '2027-01-31 12:00', in TIME_ZONE.": (
        "Solo los eventos desde este día o momento: 2027-01-31 o '2027-01-31 12:00', en TIME_ZONE."
    ),
    "Only events before this time, or until this day ends, in TIME_ZONE.": (
        "Solo los eventos anteriores a este momento, o hasta que termine este día, en TIME_ZONE."
    ),
    "The largest number of events; the newest are printed.": (
        "La cantidad máxima de eventos; se muestran los más recientes."
    ),
    "Print a line of JSON for each event.": "Escribe una línea de JSON por evento.",
    # `gatehouse db`
    "The database and its migrations.": "La base de datos y sus migraciones.",
    "Compare the database with the migrations.": "Compara la base de datos con las migraciones.",
    "Exit code 0: up to date; 2: migrations are pending; 3: a file or a row of the history needs"
    " attention.": (
        "Código de salida 0: al día; 2: hay migraciones pendientes; 3: un archivo o una fila del historial"
        " necesita atención."
    ),
    "Compare the tables with those that the migrations build, and print the SQL that repairs differences.": (
        "Compara las tablas con las que crean las migraciones, y muestra el SQL que repara las diferencias."
    ),
    "Exit code 0: no differences; 3: differences.": (
        "Código de salida 0: sin diferencias; 3: hay diferencias."
    ),
    "Replace the files of all migrations with one, before a release; see docs/migrations.md.": (
        "Reemplaza los archivos de todas las migraciones por uno solo, antes de publicar una versión; vea"
        " docs/migrations.md."
    ),
    "Exit code 0: done; 1: it cannot be done.": "Código de salida 0: hecho; 1: no se puede hacer.",
    "Write the migration that drops the columns which no release uses any more; see docs/migrations.md.": (
        "Escribe la migración que elimina las columnas que ya no usa ninguna versión; vea docs/migrations.md."
    ),
    "Convert a database of the old system.": "Convierte una base de datos del sistema anterior.",
    "Exit code 0: done, or nothing to do; 1: it cannot be done; 3: a person must resolve conflicts first.": (
        "Código de salida 0: hecho, o no había nada que hacer; 1: no se puede hacer; 3: una persona debe"
        " resolver primero los conflictos."
    ),
    "Print what would be changed, and change nothing.": "Muestra lo que cambiaría, sin cambiar nada.",
    "Print the migrations as a script for psql, which may run twice. Needs no database.": (
        "Muestra las migraciones como un script para psql, que se puede ejecutar dos veces. No necesita una"
        " base de datos."
    ),
    "With --run, run SQL in one transaction over all tenants, on a machine without psql, and print the"
    " rows.": (
        "Con --run, ejecuta SQL en una sola transacción sobre todos los negocios, en una máquina sin psql, y"
        " muestra las filas."
    ),
    "The first migration.": "La primera migración.",
    "The last migration.": "La última migración.",
    "Revert them, the newest first.": "Las revierte, comenzando por la más reciente.",
    "Run the SQL of this file, or of standard input (-), instead.": (
        "En su lugar, ejecuta el SQL de este archivo o de la entrada estándar (-)."
    ),
    "Erase the data that reverted migrations retain in the schema gatehouse_undone.": (
        "Borra los datos que las migraciones revertidas conservan en el esquema gatehouse_undone."
    ),
    "Erase without asking; it cannot be undone.": "Borra sin preguntar; no se puede deshacer.",
    "Write all tables to a file, as of one moment, while the server runs.": (
        "Escribe todas las tablas en un archivo, tal como están en un momento, mientras el servidor funciona."
    ),
    "The file holds password hashes and personal data: encrypt it before you store it elsewhere.": (
        "El archivo contiene hashes de contraseñas y datos personales: cífrelo antes de guardarlo en otro"
        " lugar."
    ),
    "A new file. Only its owner can read it.": "Un archivo nuevo. Solo su dueño puede leerlo.",
    "Restore a dump into an empty database, all or nothing.": (
        "Restaura una copia en una base de datos vacía, todo o nada."
    ),
    "Exit code 0: restored; 1: nothing was restored; 2: restored, and migrations are pending; 3:"
    " restored, and the tables differ from those that the migrations build, as those of the dumped"
    " database did.": (
        "Código de salida 0: restaurada; 1: no se restauró nada; 2: restaurada, y hay migraciones pendientes;"
        " 3: restaurada, y las tablas difieren de las que crean las migraciones, como en la base de datos"
        " copiada."
    ),
    "A file that `gatehouse db dump` wrote.": "Un archivo que escribió `gatehouse db dump`.",
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
}
