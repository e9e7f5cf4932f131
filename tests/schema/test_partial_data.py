"""What one failing root field leaves to the others of the same request."""

import asyncpg
import pytest

from tests.support import Api, issue_key

pytestmark = pytest.mark.anyio


async def test_below_query_a_field_that_fails_leaves_the_others_their_data(
    api: Api, database: asyncpg.Connection
) -> None:
    key = await issue_key(database)

    answer = await api.post(
        """query($key: String!) {
            viewer { id }
            mine: query { sessions { id } }
            validateBetaKey(key: $key) { valid }
            keys: query { betaKeys { totalCount } key: validateBetaKey(key: $key) { valid } }
            again: query { tenants(first: 0) { totalCount } }
        }""",
        key=key,
    )

    assert answer["data"] == {
        "viewer": None,
        "mine": None,
        "validateBetaKey": {"valid": True},
        "keys": None,
        "again": None,
    }
    assert sorted((error["path"], error["extensions"]["code"]) for error in answer["errors"]) == [
        (["again", "tenants"], "UNAUTHENTICATED"),
        (["keys", "betaKeys"], "UNAUTHENTICATED"),
        (["mine", "sessions"], "UNAUTHENTICATED"),
    ]


async def test_a_nullable_root_field_that_fails_leaves_the_others_their_data(
    api: Api, database: asyncpg.Connection
) -> None:
    key = await issue_key(database)
    document = (
        f'{{ betaKey(id: "x") {{ id }} tenant(id: "x") {{ id }} validateBetaKey(key: "{key}") {{ valid }} }}'
    )

    answer = await api.post(document)

    assert answer["data"] == {"betaKey": None, "tenant": None, "validateBetaKey": {"valid": True}}
    assert len(answer["errors"]) == 2


async def test_the_types_of_the_contract_null_the_response_for_a_field_that_cannot_be_null(api: Api) -> None:
    assert (await api.post("{ viewer { id } sessions { id } }"))["data"] is None


async def test_query_is_bounded_by_the_levels_of_a_document(api: Api) -> None:
    answer = await api.post("{" + "query {" * 10 + "__typename" + "}" * 11)

    assert answer["errors"][0]["message"] == "The document has more than 10 levels of fields."
