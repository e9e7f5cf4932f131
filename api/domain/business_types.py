"""Of which kinds businesses are."""

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
        """The type that a text names; the old system wrote `Cafetería` where this one has `CAFETERIA`."""
        if (known := cls.__members__.get(text)) is not None:
            return known
        plain = unicodedata.normalize("NFKD", text.strip().upper())
        plain = "".join(character for character in plain if not unicodedata.combining(character))
        return cls.__members__.get(plain)
