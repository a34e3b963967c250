#!/usr/bin/env python3
"""Refresh tokens under concurrency: families of tokens refreshed by many clients at once, over two
instances of users-api on one PostgreSQL; responses that get lost; tokens that are replayed.

FAMILIES and CLIENTS change the size: 200 and 20 are the proof, and take minutes.
"""

import asyncio
import os
import random
import sys
import time

sys.path.append(f"{sys.path[0]}/../support")
from checks import Checks
from clients import AsyncClient
from services import Stack

FAMILIES = int(os.environ.get("FAMILIES", 40))
CLIENTS = int(os.environ.get("CLIENTS", 20))
CONCURRENT_FAMILIES = 5
CONCURRENT_ROUNDS = 2
SEQUENTIAL_STEPS = 10
USERS = 20
LOSS_RATE = 0.3


async def refresh(client, token):
    return await client.request_json("POST", "/user/refresh/", {"refresh_token": token})


async def refresh_concurrently(clients, token):
    """Refreshes one token with all clients at once, and returns the new tokens, None for a refusal."""
    responses = await asyncio.gather(*(refresh(client, token) for client in clients))
    return [session["refresh_token"] if status == 200 else None for status, session in responses]


async def refresh_and_disconnect(address, token, wait_for_response):
    """Sends a refresh, and disconnects when the response arrives, or while it is worked on."""
    client = AsyncClient(address)
    await client.open()
    client.writer.write(client.encode("POST", "/user/refresh/", {"refresh_token": token}))
    await client.writer.drain()
    if wait_for_response:
        await client.reader.read(1)
    else:
        await asyncio.sleep(random.choice([0, 0.001, 0.01]))
    client.close()


async def use_family(addresses, clients, number):
    """Returns the number of different successors of each round, of refusals, and of logouts, and
    whether a replay of the first token ended the session."""
    first = AsyncClient(addresses[number % 2])
    session = await first.log_in(f"demo{number % USERS + 1}")
    initial = token = session["refresh_token"]
    successors, refused, logouts = [], 0, 0
    for _ in range(CONCURRENT_ROUNDS):
        tokens = await refresh_concurrently(clients, token)
        successors.append(len({token for token in tokens if token}))
        refused += tokens.count(None)
        token = next(token for token in tokens if token)
    for step in range(SEQUENTIAL_STEPS):
        # A refresh that is abandoned while it is worked on may be done after the retry and what
        # follows it, which is reuse: so only the last step abandons one.
        last = step == SEQUENTIAL_STEPS - 1
        if last or random.random() < LOSS_RATE:
            await refresh_and_disconnect(addresses[step % 2], token, wait_for_response=not last)
        status, session = await refresh(clients[step % len(clients)], token)
        if status != 200:
            logouts += 1
            break
        token = session["refresh_token"]
    replayed, _ = await refresh(first, initial)
    newest, _ = await refresh(clients[1], token)
    first.close()
    return successors, refused, logouts, (replayed, newest) == (401, 401)


async def main(stack, checks):
    addresses = [stack.http_addresses[name] for name in ("users-1", "users-2")]
    start = time.monotonic()
    pools = asyncio.Queue()
    for _ in range(CONCURRENT_FAMILIES):
        pools.put_nowait([AsyncClient(addresses[n % 2]) for n in range(CLIENTS)])

    async def use_pool(number):
        pool = await pools.get()
        try:
            return await use_family(addresses, pool, number)
        finally:
            pools.put_nowait(pool)

    results = await asyncio.gather(*(use_pool(number) for number in range(FAMILIES)))
    while not pools.empty():
        for client in pools.get_nowait():
            client.close()
    forked = sum(any(count != 1 for count in successors) for successors, *_ in results)
    refused = sum(refused for _, refused, *_ in results)
    logouts = sum(logouts for _, _, logouts, _ in results)
    revoked = sum(revoked for *_, revoked in results)
    print(f"{FAMILIES} families, {CLIENTS} clients each, {time.monotonic() - start:.0f} s")
    checks.check(forked == 0, f"concurrent refreshes return one successor ({forked} families forked)")
    checks.check(refused == 0, f"no concurrent refresh is refused ({refused} were)")
    checks.check(logouts == 0, f"a lost response does not end the session ({logouts} ended)")
    checks.check(revoked == FAMILIES, f"a late replay ends the session ({revoked} of {FAMILIES})")
    left = int(stack.postgres.sql("SELECT count(*) FROM refresh_tokens"))
    checks.check(left == 0, f"no session is left in the database ({left} are)")


checks = Checks()
# All logins come from one address: correct passwords are never throttled.
with Stack(nginx=False, users=2, durable=False, SECURITY="strict") as stack:
    stack.seed(USERS, 0)
    asyncio.run(main(stack, checks))
checks.finish()
