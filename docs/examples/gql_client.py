"""python gql_client.py http://127.0.0.1:8000/graphql you@example.com 20: issue beta keys, list the batch."""

import getpass
import sys
from typing import Any

from gql import Client, gql
from gql.transport.httpx import HTTPXTransport

LOGIN = gql("""
    mutation ($input: LoginInput!) {
      login(input: $input) {
        __typename
        ... on SignedIn { accessToken }
        ... on Error { code message }
      }
    }
""")

ISSUE = gql("""
    mutation ($input: IssueBetaKeysInput!) {
      issueBetaKeys(input: $input) {
        __typename
        ... on InvalidInput { fields { field code message } }
        ... on Error { code message }
      }
    }
""")

KEYS = gql("""
    query ($after: String) {
      betaKeys(first: 100, after: $after, filter: { batch: "launch" }) {
        edges { node { key status expiresAt } }
        pageInfo { hasNextPage endCursor }
      }
    }
""")


def connect(url: str, **headers: str) -> Client:
    return Client(transport=HTTPXTransport(url=url, headers=headers, timeout=30))


def check(result: dict[str, Any]) -> None:
    """Exit unless the mutation succeeded: only errors have a code."""
    if "code" in result:
        fields = [
            f"  {field['field']} {field['code']}: {field['message']}" for field in result.get("fields", [])
        ]
        sys.exit("\n".join([f"{result['code']}: {result['message']}", *fields]))


url, email, count = sys.argv[1:]
password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().strip()

variables = {"input": {"email": email, "password": password}}
login = connect(url).execute(LOGIN, variable_values=variables)["login"]
check(login)

with connect(url, authorization=f"Bearer {login['accessToken']}") as session:
    variables = {"input": {"count": int(count), "batch": "launch", "expiresAt": "2099-01-31T12:00:00Z"}}
    check(session.execute(ISSUE, variable_values=variables)["issueBetaKeys"])

    after, more = None, True
    while more:
        page = session.execute(KEYS, variable_values={"after": after})["betaKeys"]
        for edge in page["edges"]:
            print(edge["node"]["key"], edge["node"]["status"], edge["node"]["expiresAt"])
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
