"""Verifies an access token by the published keys, as a service of somebody else would with PyJWT.
Arguments: the address of the keys, the token.
"""

import sys

import jwt

address, token = sys.argv[1:]
key = jwt.PyJWKClient(address).get_signing_key_from_jwt(token)
decoded = jwt.decode_complete(
    token,
    key,
    algorithms=["EdDSA"],
    audience="classifieds",
    issuer="classifieds-users",
    options={"require": ["exp", "iat", "jti", "sid", "sub"]},
)
assert decoded["header"]["typ"] == "at+jwt", decoded["header"]
print(decoded["payload"]["sub"])
