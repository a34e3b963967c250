#!/usr/bin/env python3
"""10,000 requests whose client disconnects before the response, with a pool of 5 connections to the
database: none may stay in a transaction for more than 1 s, and every later request has to succeed.

ABORTS changes the number of requests.
"""

import asyncio
import os
import random
import sys

sys.path.append(f"{sys.path[0]}/../support")
from checks import Checks
from clients import AsyncClient
from services import Stack

ABORTS = int(os.environ.get("ABORTS", 10_000))
CONCURRENCY = 50
# A change of a password, which is a transaction, ends the sessions of its user.
USERS = 200
STUCK_TRANSACTIONS = """SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'
                        AND now() - state_change > interval '1 second'"""


async def abort(address, method, path, body, headers):
    """Sends a request, and disconnects while it is read or while the database works on it."""
    # A password is hashed before the database has any work.
    hashing = random.uniform(0, 0.5) if "password" in path else 0
    wait = random.choice([0, 0.0005, 0.002, 0.005, 0.02]) + hashing
    client = AsyncClient(address)
    await client.open()
    client.writer.write(client.encode(method, path, body, headers))
    await client.writer.drain()
    await asyncio.sleep(wait)
    client.writer.transport.abort()


async def main(stack, checks):
    users, offers = stack.http_addresses["users-1"], stack.http_addresses["offers-1"]
    client, created = AsyncClient(users), 0
    sessions = [await client.log_in(f"demo{number + 4}") for number in range(USERS)]
    tokens = [[("authorization", f"Bearer {session['access_token']}")] for session in sessions]

    def random_request():
        """Returns a request that writes, maybe in a transaction, or that reads a lot."""
        nonlocal created
        created += 1
        change = {"old_password": "demo", "new_password": "demo"}
        login = {"username": "demo1", "password": "demo"}
        user = {"login": f"new{created}", "password": "p"}
        return random.choice([
            (users, "POST", "/user/password/", change, random.choice(tokens)),
            (users, "POST", "/user/refresh/", {"refresh_token": "a.b.c"}, []),
            *([(users, "POST", "/user/auth/", login, [])] if created % 10 == 0 else []),
            *([(users, "POST", "/user/", user, [])] if created % 5 == 0 else []),
            (users, "PATCH", "/user/demo2/", {"email": f"{created}@example.org"}, []),
            (users, "DELETE", f"/user/new{created - 20}/", None, []),
            (users, "GET", "/user/demo1/", None, []),
            (users, "GET", "/user/", None, []),
            (offers, "POST", "/offer/create/", {"user_id": 2, "title": "t", "text": "x"}, []),
            (offers, "POST", "/offer/", {"user_id": 1}, []),
        ])

    most_stuck = 0
    done = asyncio.Event()

    async def watch():
        nonlocal most_stuck
        while not done.is_set():
            most_stuck = max(most_stuck, int(await asyncio.to_thread(stack.postgres.sql, STUCK_TRANSACTIONS)))
            await asyncio.sleep(0.2)

    watching = asyncio.ensure_future(watch())
    for _ in range(ABORTS // CONCURRENCY):
        await asyncio.gather(*(abort(*random_request()) for _ in range(CONCURRENCY)))
    changed = USERS - int(stack.postgres.sql(
        "SELECT count(DISTINCT user_id) FROM refresh_tokens WHERE user_id > 3"))
    print(f"{ABORTS} requests, which changed {changed} passwords")
    # The last requests may still be under way.
    await asyncio.sleep(2)
    done.set()
    await watching
    checks.check(most_stuck == 0, f"no connection stays in a transaction for 1 s (at most {most_stuck} did)")

    failed = 0
    for _ in range(200):
        for address, method, path, body in [
            (users, "GET", "/user/demo3/", None),
            (users, "PATCH", "/user/demo3/", {"email": "demo3@example.org"}),
            (offers, "POST", "/offer/create/", {"user_id": 3, "title": "t", "text": "x"}),
            (offers, "POST", "/offer/", {"user_id": 3}),
        ]:
            other = AsyncClient(address)
            status, _ = await other.request_json(method, path, body)
            failed += status not in (200, 201)
            other.close()
    status, _ = await client.request_json("POST", "/user/auth/", {"username": "demo3", "password": "demo"})
    failed += status != 200
    checks.check(failed == 0, f"every later request succeeds ({failed} of 801 failed)")


checks = Checks()
with Stack(nginx=False, durable=False, DATABASE_CONNECTIONS="5") as stack:
    stack.seed(USERS + 3, 20)
    asyncio.run(main(stack, checks))
    for name, service in stack.services.items():
        errors = service.errors()
        checks.check(not errors, f"{name} logs no internal error {errors[:3]}")
checks.finish()
