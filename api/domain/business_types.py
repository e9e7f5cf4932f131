"""The types of business that a tenant can be."""

import unicodedata
from enum import Enum
from typing import Self


class BusinessType(Enum):
    TIENDA = "TIENDA"
    SUPERMERCADO = "SUPERMERCADO"
    MINIMERCADO = "MINIMERCADO"
    FARMACIA = "FARMACIA"
    DROGUERIA = "DROGUERIA"
    RESTAURANTE = "RESTAURANTE"
    CAFETERIA = "CAFETERIA"
    PANADERIA = "PANADERIA"
    FERRETERIA = "FERRETERIA"
    PAPELERIA = "PAPELERIA"
    BOUTIQUE = "BOUTIQUE"
    SKATESHOP = "SKATESHOP"
    DEPORTES = "DEPORTES"
    TECNOLOGIA = "TECNOLOGIA"
    MASCOTAS = "MASCOTAS"
    BELLEZA = "BELLEZA"
    LICORES = "LICORES"
    VARIEDADES = "VARIEDADES"
    OTRO = "OTRO"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The type with this name or label of the old system, or None. Ignores case, accents and blanks."""
        if (known := cls.__members__.get(text)) is not None:
            return known
        decomposed = unicodedata.normalize("NFKD", " ".join(text.upper().split()))
        name = "".join(character for character in decomposed if not unicodedata.combining(character))
        return cls.__members__.get(_OLD_LABELS.get(name, name))


_OLD_LABELS = {
    "ARTICULOS DEPORTIVOS": "DEPORTES",
    "TECNOLOGIA Y ELECTRONICA": "TECNOLOGIA",
    "TIENDA DE MASCOTAS": "MASCOTAS",
    "BELLEZA Y COSMETICOS": "BELLEZA",
    "MISCELANEA/VARIEDADES": "VARIEDADES",
}
"""The labels of the old system that are not the name of the type, in capitals and without accents."""
