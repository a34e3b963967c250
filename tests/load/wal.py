#!/usr/bin/env python3
"""2,000,000 offers created on SQLite as fast as possible: the write-ahead log stays below 64 MB, with
concurrent readers.

WRITES changes the number. PROFILE=release takes the optimised binaries.
"""

import asyncio
import os
import sys
import time

sys.path.append(f"{sys.path[0]}/../support")
from checks import Checks
from clients import AsyncClient
from services import Stack

WRITES = int(os.environ.get("WRITES", 2_000_000))
# The most aliases that a document may have.
WRITES_PER_REQUEST = 50
CLIENTS = 16
MAX_WAL_BYTES = 64e6


class Remaining:
    """The number of writes that are still to be sent."""
    writes = WRITES


async def write(address):
    client = AsyncClient(address)
    fields = " ".join(f"a{n}: createOffer(input: $i) {{ id }}" for n in range(WRITES_PER_REQUEST))
    body = {
        "query": f"mutation($i: CreateOfferInput!) {{ {fields} }}",
        "variables": {"i": {"userId": "1", "title": "Bicycle", "text": "Blue, hardly used. " * 5}},
    }
    while Remaining.writes > 0:
        Remaining.writes -= WRITES_PER_REQUEST
        status, _, content = await client.request("POST", "/graphql", body)
        assert status == 200 and b'"errors"' not in content, content
    client.close()


async def read(address):
    client = AsyncClient(address)
    while Remaining.writes > 0:
        status, _, _ = await client.request("POST", "/offer/?limit=100", {"user_id": 1})
        assert status == 200, status
        await asyncio.sleep(0.01)
    client.close()


async def watch_size(file):
    most = 0
    while Remaining.writes > 0:
        most = max(most, file.stat().st_size)
        await asyncio.sleep(0.1)
    return most


async def main(address, file, checks):
    start = time.monotonic()
    *_, most = await asyncio.gather(*(write(address) for _ in range(CLIENTS)), read(address), watch_size(file))
    rate = WRITES / (time.monotonic() - start)
    checks.check(most < MAX_WAL_BYTES, f"{WRITES} writes, {rate:.0f} a second: WAL {most / 1e6:.1f} MB at most")


checks = Checks()
with Stack("sqlite", nginx=False) as stack:
    stack.seed(1, 1)
    asyncio.run(main(stack.http_addresses["offers-1"], stack.folder / "classifieds.db-wal", checks))
checks.finish()
