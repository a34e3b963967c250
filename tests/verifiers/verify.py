"""Verifies an access token by the published keys with PyJWT, as any other service would, and prints
the user id. Arguments: the URL of the keys, the token.
"""

import sys

import jwt

keys_url, token = sys.argv[1:]
key = jwt.PyJWKClient(keys_url).get_signing_key_from_jwt(token)
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
