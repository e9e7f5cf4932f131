# pyright: reportMissingImports=false
"""python main.py URL KEY: the client that ariadne-codegen wrote."""

import json
import sys

from generated import Client
from generated.enums import BusinessType
from generated.input_types import RegisterInput

url, key = sys.argv[1:]
client = Client(url=url)
start = client.start(key=key)
registered = client.register(
    input=RegisterInput(
        betaKey=key,
        businessName="El Ahorro",
        nit="900123456",
        businessType=BusinessType.TIENDA,
        address="Calle 1",
        firstName="Ana",
        lastName="Ríos",
        email="ana",
        password="Sup3r!secret",
    )
).register
results = {
    "valid": start.validate_beta_key.valid,
    "viewer": start.viewer,
    "typename": registered.typename__,
    "code": registered.code,
}
json.dump(results, sys.stdout)
