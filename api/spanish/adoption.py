"""What `gatehouse db verify` and `gatehouse db adopt` say of the parts of tables, of rows and of choices."""

ADOPTION = {
    # Differences
    "table {} is missing": "falta la tabla {}",
    "{}.{} is missing; it should be {}": "falta {}.{}; debe ser {}",
    "{}.{} is {}; it should be {}": "{}.{} es {}; debe ser {}",
    "{}.{} is {}, has no default, and Gatehouse does not set it": (
        "{}.{} es {}, no tiene valor por defecto, y Gatehouse no le da uno"
    ),
    "{} has not validated {} for existing rows": "{} no ha validado {} en las filas existentes",
    "{} has the unexpected {}": "{} tiene algo que no se espera: {}",
    "{} lacks {}": "a {} le falta {}",
    "{} has the invalid index {}: its creation was interrupted": (
        "{} tiene el índice no válido {}: su creación se interrumpió"
    ),
    "{} lacks the {}": "a {} le falta: {}",
    "row security of {} is {}; it should be {}": "la seguridad por filas de {} está en {}; debe estar en {}",
    "row security of {} is {}; it should be off": (
        "la seguridad por filas de {} está en {}; debe estar en off"
    ),
    "{} lacks the policy {} {}": "a {} le falta la política {} {}",
    "{} has the policy {} {}; it should be {}": "{} tiene la política {} {}; debe ser {}",
    "{} has the unexpected policy {} {}": "{} tiene una política que no se espera: {} {}",
    "{} lacks the trigger {}": "a {} le falta el disparador {}",
    "the trigger {} of {} has another definition": "el disparador {} de {} tiene otra definición",
    "the trigger {} of {} is disabled": "el disparador {} de {} está desactivado",
    # Advice
    "run: {}": "ejecute: {}",
    "for the SQL that repairs it, run: gatehouse db verify": (
        "para ver el SQL que lo repara, ejecute: gatehouse db verify"
    ),
    "if the old system created these tables, run: {}": (
        "si el sistema anterior creó estas tablas, ejecute: {}"
    ),
    "migrations are pending, too; after this SQL run: {}": (
        "también hay migraciones pendientes; después de este SQL ejecute: {}"
    ),
    "{} is neither Gatehouse's table nor the old system's: it lacks {}; rename it: ALTER TABLE {} RENAME"
    " TO …": (
        "{} no es una tabla de Gatehouse ni del sistema anterior: le falta {}; cámbiele el nombre: ALTER"
        " TABLE {} RENAME TO …"
    ),
    "the table users, to which {} belong, was reverted; to restore it, run: {}": (
        "la tabla users, a la que pertenecen {}, se revirtió; para restaurarla, ejecute: {}"
    ),
    "there is no table users, to which {} belong; restore it, or rename {}": (
        "no existe la tabla users, a la que pertenecen {}; restáurela, o cambie el nombre de {}"
    ),
    # Changes
    "{} of {} becomes {}": "{} de {} pasa a llamarse {}",
    "tenants.{} is written as Gatehouse writes it, in {} of the rows": (
        "tenants.{} se escribe como lo escribe Gatehouse, en {} de las filas"
    ),
    "the {} {} is created again for the new types": "se crea de nuevo para los tipos nuevos: {} {}",
    "the type {} is dropped: nothing uses it any more": "se elimina el tipo {}: ya nada lo usa",
    "users: {} lose the blanks around their email": ("users: {} pierden los espacios alrededor de su correo"),
    "beta_keys: {} have their key written as Gatehouse writes it": (
        "beta_keys: la clave de {} se escribe como la escribe Gatehouse"
    ),
    "tenants: {} have the key that they used written as Gatehouse writes it": (
        "tenants: la clave que usaron {} se escribe como la escribe Gatehouse"
    ),
    "beta_keys: {} count as used, because they name the tenant that used them": (
        "beta_keys: {} cuentan como usadas, porque nombran el negocio que las usó"
    ),
    "beta_keys: {} count as used, because a tenant names them as its key": (
        "beta_keys: {} cuentan como usadas, porque un negocio las nombra como su clave"
    ),
    "beta_keys: {} are revoked, because they were deleted in the old system": (
        "beta_keys: {} se revocan, porque se eliminaron en el sistema anterior"
    ),
    "tenants: {} were deleted in the old system: their grace period starts now, and then they are erased": (
        "tenants: {} se eliminaron en el sistema anterior: su plazo de gracia empieza ahora, y luego se"
        " borran"
    ),
    "users: {} are deactivated, because they were deleted in the old system": (
        "users: {} se desactivan, porque se eliminaron en el sistema anterior"
    ),
    "users: {} leave their tenant, because they are operators": (
        "users: {} dejan su negocio, porque son operadores"
    ),
    "users: {} own nothing, because they have no tenant": (
        "users: {} dejan de ser propietarios, porque no tienen negocio"
    ),
    # Questions and their choices
    "{} that cannot be created again, because a type changes: {}": (
        "no se puede crear de nuevo, porque cambia un tipo: {} {}"
    ),
    "drop it": "eliminarlo",
    "users with the unknown role {}": "usuarios con el rol desconocido {}",
    "users with the unknown role null": "usuarios sin rol",
    "they become {}": "pasan a ser {}",
    "users with the email {} in different spellings": "usuarios con el correo {} escrito de varias formas",
    "{} keeps the address; the others cannot sign in": (
        "{} conserva la dirección; los demás no pueden iniciar sesión"
    ),
    "tenants with the tax id {} in different spellings": "negocios con el NIT {} escrito de varias formas",
    "{} keeps the tax id; those of the others are marked as duplicates": (
        "{} conserva el NIT; los de los demás se marcan como duplicados"
    ),
    "beta keys {} in different spellings": "claves beta {} escritas de varias formas",
    "{} keeps the key; others are deleted, or renamed if they are used": (
        "{} conserva la clave; las demás se eliminan, o cambian de nombre si están usadas"
    ),
    "{} whose {} is null": "{} sin {}",
    "they cannot sign in": "no pueden iniciar sesión",
    "their tax id is unknown": "su NIT es desconocido",
    "they are deleted": "se eliminan",
    "{} whose {} is longer than {} characters": "{} cuyo {} tiene más de {} caracteres",
    "the keys are replaced with unknown ones": "las claves se reemplazan por otras desconocidas",
    "they are cut to {}": "se cortan a {}",
    "{} whose {} is not the id of a row of {}": "{} cuyo {} no es el id de una fila de {}",
    "they refer to none": "no apuntan a ninguna",
    "owners of one tenant, {}": "propietarios de un mismo negocio, {}",
    "{} is the owner": "{} es el propietario",
    "{} is the owner, and no operator": "{} es el propietario, y no es operador",
    "operators who own a tenant, {}": "operadores que son propietarios de un negocio, {}",
    "{} is an operator only; {}": "{0} solo es operador; {1:es}",
    "tenants without an owner, {}": "negocios sin propietario, {}",
    "{} becomes the owner": "{} pasa a ser el propietario",
    "the tenant is deleted: gatehouse tenants restore brings it back during the grace period": (
        "el negocio se elimina: gatehouse tenants restore lo recupera durante el plazo de gracia"
    ),
}
