#!/usr/bin/env python3
"""Wrong logins by REST, GraphQL over HTTP and GraphQL over WebSocket: the outcome and the events are
the same, an account under siege stays open to its owner, and parallel attempts are no way around.
"""

import asyncio
import collections
import itertools
import json
import sys
import time

sys.path.append(f"{sys.path[0]}/../support")
from checks import Checks
from clients import AsyncClient, GraphqlSocket
from services import Stack, wait_until

ATTEMPTS = 120
AUTHENTICATE = "mutation($input: AuthenticateInput!) { authenticate(input: $input) { userId } }"


async def rest(address, source):
    client = AsyncClient(address, source)

    async def log_in(username, password):
        body = {"username": username, "password": password}
        return (await client.request_json("POST", "/user/auth/", body))[1].get("code", "OK")
    return log_in


def code_of(response):
    return response["errors"][0]["extensions"]["code"] if response.get("errors") else "OK"


async def graphql_http(address, source):
    client = AsyncClient(address, source)

    async def log_in(username, password):
        variables = {"input": {"username": username, "password": password}}
        body = {"query": AUTHENTICATE, "variables": variables}
        return code_of((await client.request_json("POST", "/graphql", body))[1])
    return log_in


async def graphql_socket(address, source):
    socket = await GraphqlSocket.open(address, source)

    async def log_in(username, password):
        variables = {"input": {"username": username, "password": password}}
        return code_of(await socket.execute(AUTHENTICATE, variables))
    return log_in


ROUTES = [rest, graphql_http, graphql_socket]


def events_of(service, source):
    """Counts the events of an address by name and code; one line can stand for several."""
    lines = (json.loads(line) for line in service.log.read_text().splitlines() if '"security"' in line)
    counts = collections.Counter()
    for line in lines:
        if line.get("source_ip") == source:
            counts[line["message"], line.get("code")] += line.get("count", 1)
    return counts


async def names_of_one_address(service, address, checks):
    for number, route in enumerate(ROUTES):
        source = f"127.0.1.{number}"
        start, log_in = time.monotonic(), await route(address, source)
        codes = [await log_in(f"nobody{name}", "wrong") for name in range(ATTEMPTS)]
        failures = codes.count("INVALID_CREDENTIALS")
        # One failure is forgotten in 5 s.
        most = 51 + (time.monotonic() - start) / 5
        checks.check(50 <= failures <= most and failures + codes.count("TOO_MANY_REQUESTS") == ATTEMPTS,
                     f"{route.__name__}: {failures} of {ATTEMPTS} attempts are made, the others are 429")
        expected = {("authn_login_fail", "INVALID_CREDENTIALS"), ("authn_login_fail", "TOO_MANY_REQUESTS")}
        wait_until("the events are written", lambda: set(events_of(service, source)) == expected)
        logged = events_of(service, source)["authn_login_fail", "INVALID_CREDENTIALS"]
        checks.check(logged == failures, f"{route.__name__}: each failure is an event with its address")


async def besiege(address, number, end, codes):
    sources = [await rest(address, f"127.0.2.{6 * number + other}") for other in range(6)]
    for log_in in itertools.cycle(sources):
        if time.monotonic() > end:
            break
        codes[await log_in("demo1", "wrong")] += 1


async def owner_of_a_besieged_account(address, checks):
    end, codes = time.monotonic() + 20, collections.Counter()
    siege = [asyncio.create_task(besiege(address, number, end, codes)) for number in range(20)]
    while codes["TOO_MANY_REQUESTS"] == 0 and time.monotonic() < end:
        await asyncio.sleep(0.1)
    for number, route in enumerate(ROUTES):
        log_in = await route(address, f"127.0.3.{number}")
        start = time.monotonic()
        code = await log_in("demo1", "demo")
        seconds = time.monotonic() - start
        checks.check(code == "OK" and seconds < 3,
                     f"{route.__name__}: the owner logs in during a siege, after {seconds:.2f} s: {code}")
    await asyncio.gather(*siege)
    print(f"the siege: {dict(codes)}")


async def parallel_attempts(address, checks):
    async def attempt():
        return await (await rest(address, "127.0.4.1"))("demo2", "wrong")
    codes = collections.Counter(await asyncio.gather(*(attempt() for _ in range(100))))
    checks.check(codes == {"INVALID_CREDENTIALS": 5, "TOO_MANY_REQUESTS": 95},
                 f"100 parallel attempts: {dict(codes)}")


async def main(stack, checks):
    service, address = stack.services["users-1"], stack.http_addresses["users-1"]
    await parallel_attempts(address, checks)
    await names_of_one_address(service, address, checks)
    await owner_of_a_besieged_account(address, checks)


checks = Checks()
with Stack(nginx=False, durable=False, SECURITY="strict", LOG="warn,security=info", LOG_FORMAT="json") as stack:
    stack.seed(2, 0)
    asyncio.run(main(stack, checks))
checks.finish()
