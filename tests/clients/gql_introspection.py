"""python gql_introspection.py URL KEY: Python's gql, which checks documents by the server's introspection."""

import json
import sys

from gql import Client, gql
from gql.transport.httpx import HTTPXTransport
from graphql import GraphQLError

url, key = sys.argv[1:]

START = gql("query($key: String!) { validateBetaKey(key: $key) { valid reason } viewer { id } }")

with Client(transport=HTTPXTransport(url=url), fetch_schema_from_transport=True) as session:
    data = session.execute(START, variable_values={"key": key})
    try:
        session.execute(gql("{ validateBetaKey { unknown } }"))
        refused = ""
    except GraphQLError as error:
        refused = error.message
    json.dump({"data": data, "refused": refused}, sys.stdout)
