"""The words and passwords that attackers try first, in a Bloom filter: `common_passwords.bloom`.

The filter has the 30,000 most frequent leaked passwords, the 30,000 most frequent English words and the usual
names, all of the package zxcvbn (MIT licence), and the words of `SPANISH`. It takes 230 KB of memory and no
time to load; the lists as sets take 13 MB and a quarter of a second. `make common-passwords` writes it.

The estimator of that package is not used: it takes seconds for some texts of 32 characters.
"""

import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

MIN_LENGTH = 4
"""Characters of the shortest entry."""

BITS_OF_ENTRY = 24
HASHES = 17
"""With these, one of 100,000 other texts passes for a member."""

FILE = Path(__file__).with_suffix(".bloom")


def is_common(text: str) -> bool:
    """Whether a folded text is in the filter."""
    bits = _load()
    return all(bits[place >> 3] >> (place & 7) & 1 for place in _places(text, len(bits) * 8))


@cache
def _load() -> bytes:
    return FILE.read_bytes()


def _places(text: str, size: int) -> Iterator[int]:
    digest = hashlib.sha256(text.encode(errors="replace")).digest()
    start, step = int.from_bytes(digest[:8]), int.from_bytes(digest[8:16]) | 1
    return ((start + number * step) % size for number in range(HASHES))


def make_filter(texts: Iterable[str]) -> bytes:
    """The filter of folded texts."""
    members = set(texts)
    size = (len(members) * BITS_OF_ENTRY + 7) // 8
    bits = bytearray(size)
    for text in members:
        for place in _places(text, size * 8):
            bits[place >> 3] |= 1 << (place & 7)
    return bytes(bits)


SPANISH = """
abuela abuelo acceso adios administrador alegria alejandra alejandro amigos amor amorcito andrea angela
antioquia argentina armenia atletico barcelona barranquilla bendicion bienvenida bienvenido bienvenidos
bogota bonita boyaca bucaramanga cafe cali camila campeon caracas carolina cartagena casa castillo claro
catalina chile clave claves clavesecreta cliente colombia colombiano computador computadora contrasena
contrasenas contraseña corazon cristiano cucuta daniela diciembre dinero diosesamor domingo ecuador eltigre
empresa enero entrada entrar escuela espana esperanza estrella estrellita fabrica familia febrero felicidad
felipe fernanda fernando futbol gatehouse gatito gato gerente gratis guitarra hermano hermosa hola holahola
holamundo mundo ibague iglesia jefe jesus juanito jueves julio junio junior libertad lunes maestro mama
manizales manzana marcela mariposa martes marzo medellin mexico miamor miclave micontrasena miempresa
miercoles mihijo millonarios minegocio mitienda montana mujer mundo musica nacional natalia navidad negocio
novia noviembre novio nuevo octubre oficina paola papa pasto pelota pereira perrito perro peru piramide
platano popayan primavera princesa prueba pruebas quindio quito reina restaurante sabado santamarta
santander sebastian secreta secreto segura seguridad seguro septiembre servidor siempre sistema sistemas
soledad supermercado teamo teamomucho tequiero tequieromucho tienda tiendas tigre trabajo tunja unicornio
usuario valentina vallenato venezuela ventas verano vida viernes villavicencio virgen
"""
"""The lists of zxcvbn are of English texts, and of leaks in which few people wrote Spanish."""
