"""What `gatehouse doctor`, `smoke`, `health` and `serve` find and print."""

DOCTOR = {
    # `gatehouse serve`
    "Gatehouse is ready:  {}": "Gatehouse está listo:  {}",
    "For its clients:     introspection {}, GraphiQL {}": (
        "Para sus clientes:    introspección {}, GraphiQL {}"
    ),
    "A beta key to try:   {}": "Una clave de prueba:   {}",
    "cannot find an address of {}; set {}": "no se encuentra una dirección de {}; defina {}",
    "cannot listen on {} ({}); set {}, or stop the program that listens there": (
        "no se puede escuchar en {} ({}); defina {}, o detenga el programa que escucha ahí"
    ),
    "cannot listen on {} ({}); set {} and {}": "no se puede escuchar en {} ({}); defina {} y {}",
    # `gatehouse health`
    "a worker has not looked for mails for {} s": "un proceso de correo no busca correos desde hace {} s",
    "{} answers {}": "{} responde {}",
    "{} does not answer within {} s ({})": "{} no responde en {} s ({})",
    "no server answers at {}, and no worker runs": (
        "ningún servidor responde en {}, y ningún proceso de correo está en marcha"
    ),
    # `gatehouse smoke`
    "{} is not an HTTP URL; write it like https://beta.example.com": (
        "{} no es una URL de HTTP; escríbala como https://beta.example.com"
    ),
    "all is well": "todo está bien",
    "for the cause, on the machine of the server, run: gatehouse doctor": (
        "para conocer la causa, en la máquina del servidor, ejecute: gatehouse doctor"
    ),
    "{} does not answer {}: {}": "{} no responde {}: {}",
    "{} does not answer {}": "{} no responde {}",
    # `gatehouse doctor`: statuses and checks
    "ok": "bien",
    "warning": "aviso",
    "failure": "falla",
    "database": "base de datos",
    "server version": "versión",
    "rights": "permisos",
    "writes": "escritura",
    "pooler": "pooler",
    "extensions": "extensiones",
    "connections": "conexiones",
    "read replicas": "réplicas",
    "clock": "reloj",
    "migrations": "migraciones",
    "schema": "esquema",
    "operators": "operadores",
    "mail queue": "cola de correo",
    "mail server": "correo saliente",
    "public address": "dirección",
    "trusted proxies": "proxies",
    "limits store": "límites",
    "disk": "disco",
    "settings": "configuración",
    "versions": "versiones",
    "no answer within {} s": "no respondió en {} s",
    "not checked, because the database cannot be reached": (
        "no se revisó, porque no se puede conectar con la base de datos"
    ),
    "the primary answers all reads; DATABASE_READ_URL is not set": (
        "el primario responde a todas las lecturas; DATABASE_READ_URL no está definida"
    ),
    "do not answer, so that others are read: {}": "no responden, y se lee de los demás: {}",
    "are no standbys; remove from DATABASE_READ_URL: {}": (
        "no son réplicas; quítelos de DATABASE_READ_URL: {}"
    ),
    "are over {} s behind the primary: {}": "están más de {} s por detrás del primario: {}",
    "{} standbys answer, and have what the primary has written": (
        "{} réplicas responden, y tienen lo que el primario ha escrito"
    ),
    "all values are valid": "todos los valores son válidos",
    "DB_SYNC is on; unset it after the deploy": "DB_SYNC está activa; quítela después del despliegue",
    # Database
    "the embedded server in {}; for a deployed server set DATABASE_URL": (
        "el servidor incorporado en {}; para un servidor desplegado defina DATABASE_URL"
    ),
    "{} as {}, with TLS": "{} como {}, con TLS",
    "{} as {}, without TLS": "{} como {}, sin TLS",
    "PostgreSQL {} is too old; upgrade it to {} or newer": (
        "PostgreSQL {} es demasiado antiguo; actualícelo a {} o posterior"
    ),
    "PostgreSQL {} is not tested; tested are {} to {}": "PostgreSQL {} no está probado; lo están de {} a {}",
    "PostgreSQL {}": "PostgreSQL {}",
    "row security applies to the role": "la seguridad por filas se aplica al rol",
    "rights are missing; let the owner of the tables run: {}": (
        "faltan permisos; pídale al dueño de las tablas que ejecute: {}"
    ),
    "may create tables, read and write": "puede crear tablas, leer y escribir",
    "the role of migrations may create tables, that of the application read and write": (
        "el rol de las migraciones puede crear tablas; el de la aplicación, leer y escribir"
    ),
    "the role {} of DATABASE_URL may change tables too; use one that neither owns them nor is a member of the"
    " role that does": (
        "el rol {} de DATABASE_URL también puede modificar las tablas; use uno que no sea su propietario ni"
        " miembro del rol propietario"
    ),
    "a standby, which takes no writes; use the address of the primary": (
        "una réplica, que no acepta escrituras; use la dirección del primario"
    ),
    "read-only; set default_transaction_read_only = off for the role and the database": (
        "solo lectura; ponga default_transaction_read_only = off en el rol y en la base de datos"
    ),
    "a row was written and rolled back": "se escribió una fila y se deshizo",
    "a direct connection, or a pooler in session mode": "una conexión directa, o un pooler en modo de sesión",
    "let the owner of the database run: {}": "pídale al dueño de la base de datos que ejecute: {}",
    "{}; no others are needed": "{}; no se necesitan otras",
    "one instance opens up to {} connections, and the server allows {}": (
        "una instancia abre hasta {} conexiones, y el servidor permite {}"
    ),
    "one instance opens up to {} connections, and the server allows {}; lower DB_POOL_SIZE to {} or less": (
        "una instancia abre hasta {} conexiones, y el servidor permite {}; baje DB_POOL_SIZE a {} o menos"
    ),
    "{} s from the clock of the database; synchronize both machines by NTP": (
        "a {} s del reloj de la base de datos; sincronice ambas máquinas con NTP"
    ),
    "within 5 s of the clock of the database": "a menos de 5 s del reloj de la base de datos",
    # Machine
    "Gatehouse {}, Python {}": "Gatehouse {}, Python {}",
    "{} cannot be written ({}); {}": "{0} no se puede escribir ({1}); {2:es}",
    "set GATEHOUSE_HOME to a folder that this user may write": (
        "indique en GATEHOUSE_HOME una carpeta en la que este usuario pueda escribir"
    ),
    "set TMPDIR": "defina TMPDIR",
    "{} MB free in {}": "{} MB libres en {}",
    "{} MB free in {}; free some disk space": "{} MB libres en {}; libere espacio en disco",
    "RATE_LIMITS is off, so passwords can be guessed; switch it on": (
        "RATE_LIMITS está apagada, así que se pueden adivinar contraseñas; enciéndala"
    ),
    "each of {} WORKERS counts for itself; set RATE_LIMIT_STORAGE": (
        "cada uno de los {} WORKERS cuenta por su lado; defina RATE_LIMIT_STORAGE"
    ),
    "in memory; for several instances, set RATE_LIMIT_STORAGE": (
        "en memoria; para varias instancias, defina RATE_LIMIT_STORAGE"
    ),
    "nothing is limited ({}); check RATE_LIMIT_STORAGE": "no se limita nada ({}); revise RATE_LIMIT_STORAGE",
    "it takes {} s to answer; after {} s nothing is limited": (
        "tarda {} s en responder; después de {} s no se limita nada"
    ),
    "answers in {} ms": "responde en {} ms",
    # Mail
    "mails wait in the database; set SMTP_URL and MAIL_FROM": (
        "los correos esperan en la base de datos; defina SMTP_URL y MAIL_FROM"
    ),
    "mails are files in {}; set SMTP_URL and MAIL_FROM": (
        "los correos son archivos en {}; defina SMTP_URL y MAIL_FROM"
    ),
    "--mail-to: {}": "--mail-to: {}",
    "{}; check user and password in SMTP_URL": "{}; revise el usuario y la contraseña en SMTP_URL",
    "the test mail was refused: {}; check MAIL_FROM": (
        "el correo de prueba fue rechazado: {}; revise MAIL_FROM"
    ),
    "{}; check SMTP_URL and the mail server": "{}; revise SMTP_URL y el servidor de correo",
    "accepts connections with TLS; to send a test mail, add --mail-to ADDRESS": (
        "acepta conexiones con TLS; para enviar un correo de prueba, agregue --mail-to DIRECCIÓN"
    ),
    "accepts connections without TLS; to send a test mail, add --mail-to ADDRESS": (
        "acepta conexiones sin TLS; para enviar un correo de prueba, agregue --mail-to DIRECCIÓN"
    ),
    "accepted a test mail to {}, with TLS": "aceptó un correo de prueba para {}, con TLS",
    "accepted a test mail to {}, without TLS": "aceptó un correo de prueba para {}, sin TLS",
    "{} waiting, {} failed": "en espera: {}, fallidos: {}",
    "{} waiting, {} failed, {} overdue; no worker sends them: run gatehouse worker": (
        "en espera: {}, fallidos: {}, atrasados: {}; ningún proceso los envía: ejecute gatehouse worker"
    ),
    "{} waiting, {} failed; see: gatehouse mail failed": (
        "en espera: {}, fallidos: {}; vea: gatehouse mail failed"
    ),
    # Migrations
    "{} pending; run: ./predeploy.sh": "pendientes: {}; ejecute: ./predeploy.sh",
    "a file of an applied migration is edited or missing; run: gatehouse db status": (
        "el archivo de una migración aplicada fue editado o falta; ejecute: gatehouse db status"
    ),
    "{} applied, none pending": "aplicadas: {}, ninguna pendiente",
    "not compared, because migrations are pending; run: ./predeploy.sh": (
        "no se comparó, porque hay migraciones pendientes; ejecute: ./predeploy.sh"
    ),
    "{} differences from the migrations; see: gatehouse db verify": (
        "diferencias con las migraciones: {}; vea: gatehouse db verify"
    ),
    "the tables are those that the migrations build": "las tablas son las que crean las migraciones",
    # Operators
    "not checked, because migrations are pending; run: ./predeploy.sh": (
        "no se revisó, porque hay migraciones pendientes; ejecute: ./predeploy.sh"
    ),
    "OPERATOR_SECOND_FACTOR is off, so a password alone can do everything; set it to required": (
        "OPERATOR_SECOND_FACTOR está en off, así que basta una contraseña para hacerlo todo; póngala en"
        " required"
    ),
    "every operator has a second factor": "cada operador tiene un segundo factor",
    "{} without a second factor must set one up at the next sign-in": (
        "sin segundo factor: {}; deben configurar uno en su próximo inicio de sesión"
    ),
    "{} without a second factor; set OPERATOR_SECOND_FACTOR to required": (
        "sin segundo factor: {}; ponga OPERATOR_SECOND_FACTOR en required"
    ),
    # Public address
    "PUBLIC_URL is not set; set it to the address of this server for its clients": (
        "PUBLIC_URL no está definida; indique en ella la dirección de este servidor para sus clientes"
    ),
    "{} sends passwords without TLS; use https": "{} envía contraseñas sin TLS; use https",
    "{} leads to Gatehouse": "{} lleva a Gatehouse",
    "TRUSTED_PROXIES is not set; not checked, because PUBLIC_URL is not set": (
        "TRUSTED_PROXIES no está definida; no se revisó, porque PUBLIC_URL no está definida"
    ),
    "not checked, because PUBLIC_URL is not set": "no se revisó, porque PUBLIC_URL no está definida",
    "{} cannot be reached ({}); check PUBLIC_URL, DNS and the proxy": (
        "no se puede conectar con {} ({}); revise PUBLIC_URL, el DNS y el proxy"
    ),
    "{}/client-address answers {} and not with an address; check that PUBLIC_URL leads to this version of"
    " Gatehouse, without a redirect": (
        "{}/client-address responde {} y no una dirección; revise que PUBLIC_URL lleve a esta versión de"
        " Gatehouse, sin redirecciones"
    ),
    "all clients count as {}, the address of a proxy; add to TRUSTED_PROXIES the networks of: {}": (
        "todos los clientes cuentan como {}, la dirección de un proxy; agregue a TRUSTED_PROXIES las redes"
        " de: {}"
    ),
    "all clients count as {}, the address of a proxy; add it to TRUSTED_PROXIES": (
        "todos los clientes cuentan como {}, la dirección de un proxy; agréguela a TRUSTED_PROXIES"
    ),
    "{} counts as {}; restart the server, whose TRUSTED_PROXIES are others": (
        "{} cuenta como {}; reinicie el servidor, que tiene otro valor de TRUSTED_PROXIES"
    ),
    "this machine counts as {}, {}": "esta máquina cuenta como {0}, {1:es}",
    "without a proxy": "sin proxy",
    "through a proxy": "a través de un proxy",
    "through {} proxies": "a través de {} proxies",
    "this machine counts as {}; with METRICS_TOKEN and https, every proxy would be checked": (
        "esta máquina cuenta como {}; con METRICS_TOKEN y https se revisaría cada proxy"
    ),
    "{}, this machine, is in TRUSTED_PROXIES, so it may write any address; run gatehouse doctor on"
    " another machine to check the address of clients": (
        "{}, esta máquina, está en TRUSTED_PROXIES, así que puede escribir cualquier dirección; ejecute"
        " gatehouse doctor en otra máquina para revisar la dirección de los clientes"
    ),
    "a client can choose its address: {} is in TRUSTED_PROXIES, and the proxy does not append the address"
    " of its client to X-Forwarded-For, or clients themselves have such addresses": (
        "un cliente puede elegir su dirección: {} está en TRUSTED_PROXIES, y el proxy no agrega la dirección"
        " de su cliente a X-Forwarded-For, o los propios clientes tienen direcciones así"
    ),
    "TRUSTED_PROXIES is not set, and this machine counts as {}; if that is a proxy, set it to the network"
    " of the proxy, and to none if there is no proxy": (
        "TRUSTED_PROXIES no está definida, y esta máquina cuenta como {}; si eso es un proxy, indique la red"
        " del proxy, y none si no hay proxy"
    ),
}
