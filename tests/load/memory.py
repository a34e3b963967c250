#!/usr/bin/env python3
"""Attacks on the memory of both services, each for 60 s: large answers, WebSockets that keep variables,
long documents, and bodies and connections that do not end. No service may end or grow past 160 MiB, and
the requests of another client must all be answered, 99 of 100 within 100 ms.

  tests/load/memory.py [answers] [sockets] [documents] [connections]

Needs PROFILE=release and `cargo build --release --workspace --bins` before. SECONDS changes the time of
each attack. TIMES=off is for a busy machine: it does not compare the times of the other client.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import sys
import time

sys.path.append(f"{sys.path[0]}/../support")
from checks import Checks
from clients import AsyncClient, percentile
from services import Stack

SECONDS = float(os.environ.get("SECONDS", 60))
COMPARE_TIMES = os.environ.get("TIMES") != "off"
MAX_MIB = 160
OFFERS = 1000
# The longest text, 80,000 bytes in UTF-8.
TEXT = "\U0001F4A3" * 20_000
FAILURES = (ConnectionError, asyncio.IncompleteReadError, asyncio.TimeoutError, OSError)
HANDSHAKE = (
    b"GET /graphql/ws HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: " + base64.b64encode(bytes(16)) + b"\r\nsec-websocket-protocol: graphql-transport-ws\r\n\r\n"
)


async def repeat(clients, attack):
    """Runs an attack on several connections at once until the time is over."""
    async def one(number):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(*FAILURES):
                await asyncio.wait_for(attack(number), max(0.1, end - time.monotonic()))
            await asyncio.sleep(0.01)
    await asyncio.gather(*(one(number) for number in range(clients)))


async def create_offers(address, user):
    numbers = itertools.count()

    async def create():
        client = AsyncClient(address)
        while next(numbers) < OFFERS:
            body = {"user_id": user, "title": "large", "text": TEXT}
            status, _, body = await client.request("POST", "/offer/create/", body)
            assert status == 201, body
        client.close()
    await asyncio.gather(*(create() for _ in range(8)))


def aliased(field):
    return "{" + " ".join(f"a{n}:" + field.replace("SIZE", str(99 - n)) for n in range(40)) + "}"


async def answers(users, offers, user):
    """Asks for as much as possible, and does not read all of it."""
    of_user = aliased(f"user(id:{user}){{offersConnection(first:SIZE){{nodes{{text}}}}}}")
    of_offers = aliased(f"offers(userId:{user},first:SIZE){{nodes{{text}}}}")
    entities = {
        "query": "query($of:[_Any!]!){_entities(representations:$of){...on User{offers{text}}}}",
        "variables": {"of": [{"__typename": "User", "id": str(user)}] * 30},
    }
    requests = [
        (users, "POST", "/graphql", {"query": of_user}),
        (offers, "POST", "/graphql", {"query": of_offers}),
        (offers, "POST", "/graphql", entities),
        (users, "GET", f"/user/{user}/", None),
        (offers, "POST", "/offer/", {"user_id": user}),
    ]

    async def attack(number):
        address, method, path, body = requests[number % len(requests)]
        client = AsyncClient(address)
        try:
            await client.open()
            client.writer.write(client.encode(method, path, body))
            if number < 20:
                # Does not read.
                client.writer.transport.pause_reading()
                await asyncio.sleep(5)
            else:
                await client.reader.readuntil(b"\r\n\r\n")
        finally:
            client.close()
    await repeat(30, attack)


def frame(message):
    """Returns a masked WebSocket frame with a text, whose mask changes nothing."""
    data = message.encode()
    return b"\x81\xff" + len(data).to_bytes(8, "big") + bytes(4) + data


async def sockets(users, offers, user):
    """Subscribes with variables that take many times their text in memory."""
    zeros = json.dumps({"u": [0] * 80_000}, separators=(",", ":"))
    comment = "#" + "x" * 200_000

    def subscription(number, n):
        kinds = [("", zeros), ("", json.dumps({"u": [0] * 9_000})), (f"\\n{comment}", "{}"), ("", "{}")]
        text, variables = kinds[number % len(kinds)]
        query = f'"subscription($u:ID){{offerCreated(userId:$u){{id}}}}{text}"' if variables == "{}" else '"subscription{offerCreated{id}}"'
        return frame(f'{{"type":"subscribe","id":"{n}","payload":{{"query":{query},"variables":{variables}}}}}')

    async def attack(number):
        reader, writer = await asyncio.open_connection(*offers)
        try:
            writer.write(HANDSHAKE + frame('{"type":"connection_init"}'))
            await reader.readuntil(b"\r\n\r\n")
            for n in range(100):
                writer.write(subscription(number, n))
                await writer.drain()
            while await reader.read(65536):
                pass
        finally:
            writer.close()
    await repeat(20, attack)


async def documents(users, offers, user):
    """Sends long documents, each another one."""
    numbers = itertools.count()

    async def attack(number):
        client = AsyncClient(offers)
        text = "x" * (250_000 if number % 2 else 16_000)
        field = "offer" if number % 3 else "unknown"
        while True:
            await client.request("POST", "/graphql", {"query": f'{{{field}(id:"{next(numbers)}{text}"){{id}}}}'})
    await repeat(10, attack)


async def connections(users, offers, user):
    """Leaves bodies, messages and WebSockets unfinished."""
    head = b"POST /offer/ HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: 250000\r\n\r\n"
    fragment = b"\x01\xff" + (60_000).to_bytes(8, "big") + bytes(4) + b"x" * 60_000

    async def attack(number):
        reader, writer = await asyncio.open_connection(*offers)
        try:
            if number % 4 == 0:
                writer.write(HANDSHAKE)
                await reader.readuntil(b"\r\n\r\n")
                writer.write(frame('{"type":"connection_init"}') + fragment * (number % 3))
            else:
                writer.write(head + b"x" * 249_000)
            while await reader.read(65536):
                pass
        finally:
            writer.close()
    await repeat(400, attack)


async def read_user(address, user, end, times, failures):
    client = AsyncClient(address)
    while time.monotonic() < end:
        start = time.monotonic()
        try:
            status, _, _ = await asyncio.wait_for(client.request("GET", f"/user/{user}/"), 10)
        except FAILURES as error:
            client.close()
            status = repr(error)
        if status != 200:
            failures.append(status)
        times.append(time.monotonic() - start)
        await asyncio.sleep(0.02)
    client.close()


async def largest(service, end):
    most = 0
    while time.monotonic() < end and service.running():
        most = max(most, service.resident_mib())
        await asyncio.sleep(0.1)
    return most


async def run(stack, checks, attacks):
    users, offers = stack.http_addresses["users-1"], stack.http_addresses["offers-1"]
    client = AsyncClient(users)
    ids = [json.loads((await client.request("GET", f"/user/demo{n}/"))[2])["id"] for n in (1, 2)]
    await create_offers(offers, ids[0])
    for attack in attacks:
        end = time.monotonic() + SECONDS
        times, failures = [], []
        most = dict(zip(stack.services, (await asyncio.gather(
            *(largest(service, end) for service in stack.services.values()),
            attack(users, offers, ids[0]),
            read_user(users, ids[1], end, times, failures),
        ))))
        for name, service in stack.services.items():
            checks.check(service.running() and most[name] < MAX_MIB, f"{attack.__name__}: {name} at most {most[name]:.0f} MiB")
        checks.check(not failures, f"{attack.__name__}: another client has {len(failures)} failures of {len(times)} {failures[:3]}")
        if COMPARE_TIMES:
            p99 = percentile(times, 0.99) * 1000
            checks.check(p99 < 100, f"{attack.__name__}: p99 of another client {p99:.0f} ms")


checks = Checks()
wanted = sys.argv[1:]
attacks = [attack for attack in (answers, sockets, documents, connections) if not wanted or attack.__name__ in wanted]
with Stack(nginx=False, durable=False, LOG="error") as stack:
    stack.seed(2, 3)
    asyncio.run(run(stack, checks, attacks))
checks.finish()
