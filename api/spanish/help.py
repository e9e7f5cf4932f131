"""The help of commands for the server, the database and audit events."""

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
    "Convert the data of the embedded PostgreSQL to the major version of this Gatehouse.": (
        "Convierte los datos del PostgreSQL incorporado a la versión mayor de este Gatehouse."
    ),
    "The old data stays in a folder beside the new one. Exit code 0: done; 1: the data is as it was.": (
        "Los datos antiguos quedan en una carpeta junto a los nuevos. Código de salida 0: hecho; 1: los datos"
        " están como estaban."
    ),
    "The folder of pg_ctl and postgres of the old version.": (
        "La carpeta de pg_ctl y postgres de la versión antigua."
    ),
    "Remove the data that earlier upgrades have left, instead.": (
        "Elimina en su lugar los datos que dejaron actualizaciones anteriores."
    ),
    "Remove without asking; it cannot be undone.": "Elimina sin preguntar; no se puede deshacer.",
    "A file that `gatehouse db dump` wrote.": "Un archivo que escribió `gatehouse db dump`.",
}
