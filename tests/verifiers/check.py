"""PyJWT and jose, which are independent of this project, must verify access tokens by the published
keys, before and after a rotation, and reject other tokens."""

import asyncio
import subprocess
import sys
from pathlib import Path

sys.path.append(f"{sys.path[0]}/../support")
from checks import Checks
from clients import AsyncClient
from services import Stack
from tools import install_python_packages

FOLDER = Path(__file__).resolve().parent


def verified_user(command, keys_url, token):
    """Returns the user id of a token, or None if the token is rejected."""
    done = subprocess.run([*command, keys_url, token], capture_output=True, text=True)
    return done.stdout.strip() or None


async def main(stack, checks, verifiers):
    address = stack.http_addresses["users-1"]
    keys_url = "http://{}:{}/.well-known/jwks.json".format(*address)
    client = AsyncClient(address)
    first = await client.log_in("demo1")
    stack.run("users-api", "keys", "rotate", "--lead", "1s")
    for _ in range(300):
        second = await client.log_in("demo1")
        if second["access_token"].split(".")[0] != first["access_token"].split(".")[0]:
            break
        await asyncio.sleep(0.1)
    else:
        checks.check(False, "a rotated key signs within 30 s")
    client.close()
    user = str(first["user_id"])
    header, claims, _ = first["access_token"].split(".")
    foreign_signature = second["access_token"].split(".")[2]
    for name, command in verifiers.items():
        for description, token, expected in [
            ("verifies a token", first["access_token"], user),
            ("verifies a token of a rotated key", second["access_token"], user),
            ("rejects a refresh token", first["refresh_token"], None),
            ("rejects the signature of another token", f"{header}.{claims}.{foreign_signature}", None),
        ]:
            checks.check(verified_user(command, keys_url, token) == expected, f"{name} {description}")


checks = Checks()
programs = install_python_packages("verifiers", "--requirement", FOLDER / "requirements.txt")
verifiers = {"PyJWT": [programs / "python", FOLDER / "verify.py"], "jose": ["node", FOLDER / "verify.mjs"]}
with Stack(nginx=False, durable=False, SECURITY="strict") as stack:
    stack.seed(1, 0)
    asyncio.run(main(stack, checks, verifiers))
checks.finish()
