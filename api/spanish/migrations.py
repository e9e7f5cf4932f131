"""What the commands for the database and its migrations print, and their errors."""

MIGRATIONS = {
    # Status
    "{} applied, {} pending": "aplicadas: {}, pendientes: {}",
    "  {} is pending; run: piccolo migrations forwards all": (
        "  {} está pendiente; ejecute: piccolo migrations forwards all"
    ),
    "  {} is pending, and a newer one is applied: it was merged late, or its row was lost; run: piccolo"
    " migrations forwards all": (
        "  {} está pendiente, y hay una más reciente aplicada: se integró tarde, o se perdió su fila;"
        " ejecute: piccolo migrations forwards all"
    ),
    "  {} was edited after it was applied; restore its file": (
        "  {} fue editada después de aplicarse; restaure su archivo"
    ),
    "  {} is applied, and its file is missing; restore it": (
        "  {} está aplicada y falta su archivo; restáurelo"
    ),
    "{} migrations are pending; run: piccolo migrations forwards all": (
        "migraciones pendientes: {}; ejecute: piccolo migrations forwards all"
    ),
    # Verify, squash and contract
    "-- {};\n--   found: {}": "-- {};\n--   resultado: {}",
    "-- {};\n--   found: nothing": "-- {};\n--   resultado: nada",
    "-- differences: {}": "-- diferencias: {}",
    "-- no differences": "-- sin diferencias",
    "wrote migrations/{}, which replaces {} migrations": (
        "se escribió migrations/{}, que reemplaza {} migraciones"
    ),
    "deleted the other {} files; git restores them: git checkout -- migrations": (
        "se eliminaron los otros {} archivos; git los restaura: git checkout -- migrations"
    ),
    "wrote migrations/{}, which drops {}": "se escribió migrations/{}, que elimina {}",
    "there is only one migration in migrations/; there is nothing to squash": (
        "solo hay una migración en migrations/; no hay nada que unir"
    ),
    "nothing was written: the squashed migration would build other tables: {}": (
        "no se escribió nada: la migración unida crearía otras tablas: {}"
    ),
    "nothing was written: {}; {}": "no se escribió nada: {}; {}",
    "{} of {} uses {}; change that in a migration first": (
        "{} de {} usa {}; cámbielo primero en una migración"
    ),
    "tables/ uses every column that the migrations build, or no migration says that it does not; take a"
    " column out of tables/, and run: piccolo migrations new gatehouse --auto": (
        "tables/ usa todas las columnas que crean las migraciones, o ninguna migración dice lo contrario;"
        " quite una columna de tables/, y ejecute: piccolo migrations new gatehouse --auto"
    ),
    # Adopt
    "nothing was changed": "no se cambió nada",
    "adopted": "adoptada",
    "apply {}: {}": "aplicar {}: {}",
    "{} users have no tenant, and may do nothing until they register with a beta key and their password,"
    " or are attached to one: gatehouse users --help": (
        "{} usuarios no tienen negocio, y no pueden hacer nada hasta que se registren con una clave beta y su"
        " contraseña, o se agreguen a uno: gatehouse users --help"
    ),
    "resolve first: {}: {}": "resuelva primero: {}: {}",
    "    {} (suggested):": "    {} (sugerido):",
    "there is no table users to adopt; run: {}": "no hay una tabla users que adoptar; ejecute: {}",
    "the tables belong to {}; let a superuser run: {}": (
        "las tablas son de {}; pídale a un superusuario que ejecute: {}"
    ),
    "some rows could not be changed; nothing was changed: {}": (
        "algunas filas no se pudieron cambiar; no se cambió nada: {}"
    ),
    "the old system did not create these tables; {}": "el sistema anterior no creó estas tablas; {}",
    "nothing was changed: {}": "no se cambió nada: {0:es}",
    # SQL
    "{} is not text in UTF-8; convert it": "{} no es texto en UTF-8; conviértalo",
    "the SQL contains commands of psql; run it with psql": (
        "el SQL contiene comandos de psql; ejecútelo con psql"
    ),
    "{}; the open transaction was rolled back": "{}; la transacción abierta se deshizo",
    "{} comes after {}; the order is: {}": "{} va después de {}; el orden es: {}",
    "there is no migration {}; there are: {}": "no existe la migración {}; existen: {}",
    # Forget, dump and restore
    "this erases rows permanently; run: gatehouse db forget --yes": (
        "esto borra filas definitivamente; ejecute: gatehouse db forget --yes"
    ),
    "erased {} rows of {}": "filas borradas de {1}: {0}",
    "nothing was erased; first drop what depends on it: {}": (
        "no se borró nada; elimine primero lo que depende de ello: {}"
    ),
    "not in the dump: {}": "no está en la copia: {}",
    "dumped to {}": "copia escrita en {}",
    "{} rows of {}.{}": "filas de {1}.{2}: {0}",
    "the standby cancelled the dump, because the primary removed rows that it reads; dump again when"
    " traffic is low, or set hot_standby_feedback = on on the standby": (
        "el servidor en espera canceló la copia, porque el primario eliminó filas que esta lee; haga la"
        " copia de nuevo cuando haya poco tráfico, o ponga hot_standby_feedback = on en el servidor en espera"
    ),
    "DATABASE_URL leads to a pooler that has no two connections for this command, or to a database"
    " that does not respond; set DATABASE_URL to the address of PostgreSQL itself": (
        "DATABASE_URL lleva a un pooler que no tiene dos conexiones para este comando, o a una base de"
        " datos que no responde; ponga en DATABASE_URL la dirección del propio PostgreSQL"
    ),
    "a migration changed the tables while the dump started; run it again": (
        "una migración cambió las tablas al comenzar la copia; ejecútelo de nuevo"
    ),
    "the schema {} has no tables to dump; check DATABASE_URL": (
        "el esquema {} no tiene tablas que copiar; revise DATABASE_URL"
    ),
    "{} is not a file that gatehouse db dump wrote": "{} no es un archivo que haya escrito gatehouse db dump",
    "{} is incomplete or was changed after the dump; use another dump": (
        "{} está incompleto o fue cambiado después de la copia; use otra copia"
    ),
    "{} was written by a newer version of Gatehouse; restore it with that version": (
        "{} fue escrito por una versión más reciente de Gatehouse; restáurelo con esa versión"
    ),
    "the tables of the dump are in the schema {}, and those of this database would be in {}; let the"
    ' administrator run: CREATE SCHEMA "{}" AUTHORIZATION …; ALTER ROLE … SET search_path = "{}"': (
        "las tablas de la copia están en el esquema {}, y las de esta base de datos estarían en {}; pídale al"
        ' administrador que ejecute: CREATE SCHEMA "{}" AUTHORIZATION …; ALTER ROLE … SET search_path = "{}"'
    ),
    "the database is not empty, it has {}; restore into a new database": (
        "la base de datos no está vacía, tiene {}; restaure en una base de datos nueva"
    ),
    "the dump has migrations that this version of Gatehouse lacks ({}); restore it with the version that"
    " served when it was made": (
        "la copia tiene migraciones que le faltan a esta versión de Gatehouse ({}); restáurela con la versión"
        " que servía cuando se hizo"
    ),
    "nothing was restored: {} has other rows than the dump says ({}); use another dump": (
        "no se restauró nada: {} tiene otras filas que las que dice la copia ({}); use otra copia"
    ),
    "nothing was restored: {}": "no se restauró nada: {}",
    # Applying and reverting
    "DATABASE_URL leads to a pooler in transaction mode, behind which the migration lock does not work;"
    " set DATABASE_URL to the address of PostgreSQL itself": (
        "DATABASE_URL lleva a un pooler en modo de transacción, tras el cual no funciona el bloqueo de las"
        " migraciones; indique en DATABASE_URL la dirección del propio PostgreSQL"
    ),
    "another migration holds the lock after {} s (PostgreSQL process {}); wait for it, or end it with:"
    " SELECT pg_terminate_backend({})": (
        "otra migración tiene el bloqueo después de {} s (proceso de PostgreSQL {}); espérela, o termínela"
        " con: SELECT pg_terminate_backend({})"
    ),
    "the table migration belongs to another system; rename it: ALTER TABLE migration RENAME TO …": (
        "la tabla migration es de otro sistema; cámbiele el nombre: ALTER TABLE migration RENAME TO …"
    ),
    "the database is a standby, which takes no writes; use the address of the primary": (
        "la base de datos es una réplica, que no acepta escrituras; use la dirección del primario"
    ),
    "the database takes no writes: it is a standby or read-only; use the address of the primary": (
        "la base de datos no acepta escrituras: es una réplica o de solo lectura; use la dirección del"
        " primario"
    ),
    "the role {} may not create tables in the schema {}; let the owner of the schema run: {}": (
        "el rol {} no puede crear tablas en el esquema {}; pídale al dueño del esquema que ejecute: {}"
    ),
    "the role {} may not create temporary tables, on which migrations are tried; let the owner of the"
    " database run: {}": (
        "el rol {} no puede crear tablas temporales, en las que se prueban las migraciones; pídale al dueño"
        " de la base de datos que ejecute: {}"
    ),
    "no schema of the search_path of this role exists: {}; create one": (
        "no existe ningún esquema del search_path de este rol: {}; cree uno"
    ),
    "{}; fix the cause and run it again": "{}; corrija la causa y ejecútelo de nuevo",
    "answer the question in the file of {} first": "responda primero la pregunta en el archivo de {}",
    "--fake records only what the tables have already: {}": (
        "--fake solo registra lo que las tablas ya tienen: {}"
    ),
    "{}; if the old system wrote these rows, list them, and the SQL of each choice; run: gatehouse db"
    " adopt": (
        "{}; si el sistema anterior escribió estas filas, lístelas con el SQL de cada opción; ejecute:"
        " gatehouse db adopt"
    ),
    "the index {} waited {} s for an open transaction (PostgreSQL process {}); wait for its end, or end"
    " it with: SELECT pg_terminate_backend({}); then run the migrations again": (
        "el índice {} esperó {} s a una transacción abierta (proceso de PostgreSQL {}); espere a que termine,"
        " o termínela con: SELECT pg_terminate_backend({}); luego ejecute de nuevo las migraciones"
    ),
    "the connection that held the migration lock was closed; run the migrations again": (
        "se cerró la conexión que tenía el bloqueo de las migraciones; ejecute de nuevo las migraciones"
    ),
    "waiting for another migration (PostgreSQL process {}) …": (
        "esperando a otra migración (proceso de PostgreSQL {}) …"
    ),
    "migrations/{} has no MIGRATION: it has Piccolo's own form, which can be neither run twice nor"
    " reverted without loss; delete it and run: piccolo migrations new gatehouse --auto": (
        "migrations/{} no tiene MIGRATION: tiene la forma propia de Piccolo, que no se puede ejecutar dos"
        " veces ni revertir sin pérdida; elimínelo y ejecute: piccolo migrations new gatehouse --auto"
    ),
    "piccolo {} is not for Gatehouse: {}": "piccolo {0} no es para Gatehouse: {1:es}",
    "row security hides the rows from it; to copy the database, run: gatehouse db dump": (
        "la seguridad por filas le oculta las filas; para copiar la base de datos, ejecute: gatehouse db dump"
    ),
    "Gatehouse has users of its own; to add an operator, run: gatehouse operators add": (
        "Gatehouse tiene sus propios usuarios; para agregar un operador, ejecute: gatehouse operators add"
    ),
    "it erases the history of migrations whose files are missing; restore the files": (
        "borra el historial de las migraciones cuyos archivos faltan; restaure los archivos"
    ),
    "there is no migration {}; see: gatehouse db status": (
        "no existe la migración {}; vea: gatehouse db status"
    ),
    "the applied migrations have changed, and nothing was reverted; run it again": (
        "las migraciones aplicadas cambiaron, y no se revirtió nada; ejecútelo de nuevo"
    ),
    "nothing was reverted": "no se revirtió nada",
    "nothing was reverted: {}": "no se revirtió nada: {0:es}",
    "nothing was reverted: {} would fail: {}; correct that and run it again": (
        "no se revirtió nada: {} fallaría: {}; corríjalo y ejecútelo de nuevo"
    ),
    "--clean is not supported: it deletes the file, which applying it again needs": (
        "--clean no se admite: elimina el archivo, que se necesita para aplicarla de nuevo"
    ),
    "the table migration is missing or empty, although there are tables; to record their migrations"
    " again, run: piccolo migrations forwards all; if the old system created them, run: gatehouse db"
    " adopt": (
        "la tabla migration falta o está vacía, aunque hay tablas; para registrar de nuevo sus migraciones,"
        " ejecute: piccolo migrations forwards all; si las creó el sistema anterior, ejecute: gatehouse db"
        " adopt"
    ),
    "the tables are those after all migrations, and a migration uses what a later one drops ({}); to"
    " record the migrations, run: piccolo migrations forwards all --fake": (
        "las tablas son las que quedan después de todas las migraciones, y una migración usa lo que otra"
        " posterior elimina ({}); para registrar las migraciones, ejecute: piccolo migrations forwards all"
        " --fake"
    ),
    "{} is not applied; applied are: {}": "{} no está aplicada; lo están: {}",
    "the files of {} are missing; restore them first": "faltan los archivos de {}; restáurelos primero",
    "{} cannot be reverted: it changed rows of {} and kept no old values; nothing was reverted;"
    " migrations after it can be reverted by their ids": (
        "{} no se puede revertir: cambió filas de {} y no guardó los valores anteriores; no se revirtió nada;"
        " las migraciones posteriores se pueden revertir por su id"
    ),
    "nothing was applied: the rows {} and {} of {} have the same {} ({}), which the unique index {}"
    " rejects; change one of them, or its retained value in the schema gatehouse_undone, and run it again": (
        "no se aplicó nada: las filas {} y {} de {} tienen el mismo valor de {} ({}), que el índice único {}"
        " rechaza; cambie una de ellas, o su valor conservado en el esquema gatehouse_undone, y ejecútelo de"
        " nuevo"
    ),
    "there is no terminal to ask; add --auto_agree": (
        "no hay una terminal para preguntar; agregue --auto_agree"
    ),
    "interrupted; run it again to continue": "interrumpido; ejecútelo de nuevo para continuar",
    "warning: {}": "advertencia: {0:es}",
    "--run runs the SQL of a file, without --from, --to and --backwards; to apply or revert migrations,"
    " see: piccolo migrations forwards --help": (
        "--run ejecuta el SQL de un archivo, sin --from, --to ni --backwards; para aplicar o revertir"
        " migraciones, vea: piccolo migrations forwards --help"
    ),
    "no data of reverted migrations is retained": "no se conservan datos de migraciones revertidas",
}
