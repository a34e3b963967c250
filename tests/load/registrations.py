#!/usr/bin/env python3
"""A flood of registrations over 60 connections of one address, and then of 60 addresses: logins of
another address go on.

Needs PROFILE=release, and `cargo build --release --workspace --bins` before. SECONDS changes the
length of each phase. REGISTRATION_BURST=1000000 switches the throttle off: the queue alone must be
fair then.
"""

import asyncio
import collections
import itertools
import os
import sys
import time

sys.path.append(f"{sys.path[0]}/../support")
from checks import Checks
from clients import AsyncClient
from services import Stack

SECONDS = int(os.environ.get("SECONDS", 10))
CONNECTIONS = 60
LOGIN_CONNECTIONS = int(os.environ.get("LOGINS", 8))
SETTINGS = {name: os.environ[name] for name in ["REGISTRATION_BURST"] if name in os.environ}
NUMBERS = itertools.count()


async def log_in(address, number, end, counts):
    client = AsyncClient(address, "127.0.1.1")
    while time.monotonic() < end:
        body = {"username": f"demo{number + 1}", "password": "demo"}
        status, _, _ = await client.request("POST", "/user/auth/", body)
        counts[status] += time.monotonic() < end
    client.close()


async def register(address, source, end, counts):
    client = AsyncClient(address, source)
    while time.monotonic() < end:
        name = f"flood{next(NUMBERS)}"
        body = {"username": name, "password": "7 quiet herons", "email": f"{name}@example.org"}
        status, _, _ = await client.request("POST", "/user/", body)
        # Those that were queued at the end had no logins beside them.
        counts[status] += time.monotonic() < end
    client.close()


async def measure(address, sources):
    """Returns the numbers of logins and of registrations by status."""
    end, logins, registrations = time.monotonic() + SECONDS, collections.Counter(), collections.Counter()
    await asyncio.gather(
        *(log_in(address, number, end, logins) for number in range(LOGIN_CONNECTIONS)),
        *(register(address, source, end, registrations) for source in sources),
    )
    return logins, registrations


async def main(address, checks):
    alone, _ = await measure(address, [])
    print(f"logins alone: {dict(alone)}")
    floods = {
        "one address": ["127.0.2.1"] * CONNECTIONS,
        f"{CONNECTIONS} addresses": [f"127.0.3.{number}" for number in range(CONNECTIONS)],
    }
    for name, sources in floods.items():
        logins, registrations = await measure(address, sources)
        share = logins[200] / alone[200]
        print(f"registrations of {name}: {dict(registrations)}, logins: {dict(logins)}")
        checks.check(set(logins) == {200}, f"{name}: no login fails")
        checks.check(share >= 0.8, f"{name}: {share:.0%} of the logins without them")
        checks.check(set(registrations) <= {201, 429, 503}, f"{name}: registrations are 201, 429 or 503")


checks = Checks()
with Stack(nginx=False, durable=False, SECURITY="strict", **SETTINGS) as stack:
    stack.seed(LOGIN_CONNECTIONS, 0)
    asyncio.run(main(stack.http_addresses["users-1"], checks))
checks.finish()
