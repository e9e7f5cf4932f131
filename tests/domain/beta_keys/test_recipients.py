"""Reading the recipients of invitations from files as spreadsheets, mail programs and people write them."""

import io

import pytest

from api.domain.beta_keys.recipients import read_recipients
from api.domain.csv_files import BadLines

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252")


def addresses(content: str | bytes, column: str | None = None) -> list[tuple[int, str]]:
    file = io.BytesIO(content.encode() if isinstance(content, str) else content)
    return [(each.line, each.address) for each in read_recipients(file, column).recipients]


def doubts(content: str | bytes, column: str | None = None) -> list[tuple[int, str, str]]:
    with pytest.raises(BadLines) as raised:
        addresses(content, column)
    return [problem[:3] for problem in raised.value.problems]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "content",
    [
        "\n\n\nana@x.co\n",
        "Nombre;Correo electrónico\n\n\nRíos, Ana;ana@x.co\n",
        "Nombre\tE-MAIL\r\n\r\n\r\nAna\tana@x.co\r\n",
        "sep=;\r\n\r\nNombre;Correo\r\nAna;ana@x.co\r\n",
        'SEP=\t\r\n"Nombre"\t"Dirección\r\nde correo"\r\n"Ana"\t"ana@x.co"\r\n',
        "\r\rNombre,CORREO,,,\rAna,ana@x.co,,,\r",
        "Lista de niños 2026,\n\nNombre,Email (obligatorio) *\nAna,ana@x.co\n",
        "id,Correo\u00a0electrónico\n,\n\n7,\u00a0ana@x.co\n",
        'Referred by,Email Address\n,\n,\neva@x.co,"=""ana@x.co"""\n',
        "Invitado por|mail\n|\n|\neva@x.co|mailto:ana@x.co\n",
        "Email,Email 2,Correo enviado\n\n\nana@x.co,,sí\n",
        "Correo,Nombre\n\n\nAna Ríos <ana@x.co>,'=1+1\n",
    ],
)
def test_the_column_of_the_recipients_is_found(content: str, encoding: str) -> None:
    assert addresses(content.encode(encoding)) == [(4, "ana@x.co")]


@pytest.mark.parametrize(
    "content",
    [
        "ana@x.co,luis@x.co;eva@x.co",
        "ana@x.co luis@x.co\teva@x.co\n",
        '"Ríos, Ana" <ana@x.co>; Luis <luis@x.co>,<eva@x.co>;\n',
    ],
)
def test_a_list_of_a_mail_program_reaches_every_address(content: str) -> None:
    assert [address for _, address in addresses(content)] == ["ana@x.co", "luis@x.co", "eva@x.co"]


def test_names_beside_the_addresses_need_no_heading() -> None:
    assert addresses("Ana,ana@x.co\nLuis,luis@x.co\n") == [(1, "ana@x.co"), (2, "luis@x.co")]
    assert addresses("Ríos, Ana <ana@x.co>\nRíos, Luis <luis@x.co>") == [(1, "ana@x.co"), (2, "luis@x.co")]
    assert addresses("Ana <ana@x.co>, Eva <eva@x.co>,\nLuis <luis@x.co>") == [
        (1, "ana@x.co"),
        (1, "eva@x.co"),
        (2, "luis@x.co"),
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("ana@x.co,luis@x.co\neva@x.co\n", [(1, "", "LINE.SEVERAL_ADDRESSES")]),
        ("Ana,ana@x.co\n,,luis@x.co\n", [(2, "", "LINE.ADDRESS_ELSEWHERE")]),
        ("ana\nana@x.co\neva\n", [(1, "", "LINE.NO_ADDRESS"), (3, "", "INVALID_EMAIL")]),
        ("ana@x,co\nluis@x.co\n", [(1, "", "INVALID_EMAIL")]),
        ("Nombre,Contacto\nAna,ana@x.co\n", [(1, "", "LINE.NO_ADDRESS_HEADING")]),
        ("Referido por,Nombre\neva@x.co,Ana\n", [(1, "", "LINE.NO_ADDRESS_HEADING")]),
        (
            "Email,Email 2\nana@x.co,ana@y.co\n",
            [(1, "Email", "LINE.SEVERAL_COLUMNS"), (1, "Email 2", "LINE.SEVERAL_COLUMNS")],
        ),
        (
            "Dirección de correo electrónico,¿A quién invita?\neva@x.co,ana@x.co\n",
            [
                (1, "Dirección de correo electrónico", "LINE.SEVERAL_COLUMNS"),
                (1, "¿A quién invita?", "LINE.SEVERAL_COLUMNS"),
            ],
        ),
        (
            "Nombre,Correo\nAna,ana@x.co\n\nEva,\nNombre,Correo\nTotal,2\n",
            [(4, "Correo", "REQUIRED"), (5, "", "LINE.REPEATED_HEADING"), (6, "Correo", "INVALID_EMAIL")],
        ),
        ('Nombre,Correo\nAna,"ana@x.co; ana@y.co"\n', [(2, "Correo", "LINE.SEVERAL_ADDRESSES")]),
        ("Nombre,Correo\nRíos, Ana,ana@x.co\n", [(2, "", "TOO_MANY_CELLS")]),
        ("Nombre,Correo\nAna,ana@x,co\n", [(2, "", "TOO_MANY_CELLS")]),
        ('Nombre,Correo\nAna,ana@x.co\n"Eva,eva@x.co\n', [(3, "", "LINE.UNBALANCED_QUOTES")]),
        ('Nombre,Correo\n"Ana "la" Ríos",ana@x.co\n', [(2, "", "LINE.UNBALANCED_QUOTES")]),
        ("Correo\nana@x.co\x00\n", [(2, "Correo", "INVALID_EMAIL")]),
        (
            "Clave,Correo\nBETA-ABCDE-FGHJK,ana@x.co\nBETA-ABCDE-FGHJM,ANA@x.co\n",
            [(3, "", "LINE.REPEATED_PAIR")],
        ),
        ("Clave,Correo\n,ana@x.co\n", [(2, "Clave", "REQUIRED")]),
        ("Correo\nana@x.co\n\nPanadería\n".encode("cp850"), [(4, "", "LINE.NOT_UTF_8")]),
        ("Correo,Nombre\rana@x.co,María\r".encode("mac-roman"), [(2, "", "LINE.NOT_UTF_8")]),
        (b"PK\x03\x04\x14\x00 a workbook", [(1, "", "LINE.NOT_CSV")]),
    ],
)  # fmt: skip
def test_a_doubtful_line_is_named(content: str | bytes, expected: list[tuple[int, str, str]]) -> None:
    assert doubts(content) == expected


def test_a_named_column_ends_the_doubt() -> None:
    content = "Email,Email 2\nana@x.co,ana@y.co\n"

    assert addresses(content, "email 2") == [(2, "ana@y.co")]
    assert doubts(content, "Correo") == [(1, "", "LINE.NO_SUCH_COLUMN")]


@pytest.mark.slow
def test_a_long_file_is_read_whole() -> None:
    """With the one line that is wrong."""
    lines = [f"Ana,a{number}@x.co" for number in range(20_000)]
    assert len(addresses("\n".join(["Nombre,Correo", *lines]))) == 20_000
    lines[15_000] = "Ana"

    assert doubts("\n".join(["Nombre,Correo", *lines])) == [(15_002, "Correo", "REQUIRED")]
