#!/usr/bin/env python3
"""20,000 malformed requests over REST and GraphQL: mutated JSON, and bombs of aliases, depth,
directives, fragments, batches, introspection and size, with 4 GB of address space. No 5xx but a
503 with `Retry-After`, no panic, and the slowest response within half a second.

REQUESTS changes the number, SEED the random choices; TIMES=off is for a busy machine and allows 30 s.
"""

import asyncio
import collections
import json
import os
import random
import sys
import time

sys.path.append(f"{sys.path[0]}/../support")
from checks import Checks
from clients import AsyncClient, percentile
from services import Stack

REQUESTS = int(os.environ.get("REQUESTS", 20_000))
SEED = int(os.environ.get("SEED", random.randrange(1 << 32)))
CONCURRENCY = 8
# On a busy machine no more than the limit on a request.
MAX_SECONDS = 30 if os.environ.get("TIMES") == "off" else 0.5
VALUES = [
    None, True, 0, -1, 1e308, 2**63, -(2**63), 2**64, 0.5, "", " ", "\0", "\ud800", "a" * 70_000,
    "é" * 300, [], {}, [[]] * 50, {"a": {"b": {}}}, "1", "0x1", "-0", "١", "Ⅷ", "'; DROP TABLE users; --",
]
REST_REQUESTS = [
    ("users", "POST", "/user/registry/", {"username": "ann", "password": "p", "email": "a@b.example"}),
    ("users", "POST", "/user/auth/", {"username": "ann", "password": "p"}),
    ("users", "POST", "/user/refresh/", {"refresh_token": "a.b.c"}),
    ("users", "POST", "/user/logout/", {"refresh_token": "a.b.c"}),
    ("users", "POST", "/user/password/", {"old_password": "p", "new_password": "q"}),
    ("users", "POST", "/user/", {"login": "bob", "password": "p"}),
    ("users", "PATCH", "/user/1/", {"username": "x", "email": "x@y.example"}),
    ("offers", "POST", "/offer/create/", {"user_id": 1, "title": "t", "text": "x"}),
    ("offers", "POST", "/offer/", {"offer_id": 1}),
    ("offers", "POST", "/offer/?limit=10&after=3", {"user_id": 1}),
]
PATHS = [
    "/user/%00/", "/user/%ff/", "/user/" + "9" * 40 + "/", "/user/" + "a" * 5000 + "/", "/user/-1/",
    "/user/?limit=-1", "/user/?limit=99999999999999999999", "/user/?after=%00", "/user/?limit=&after=",
    "/user/1/?offers_limit=0&offers_after=x", "/graphql?query=%7B", "/graphql?query={__typename}&variables=[",
    "/user/../../etc/passwd", "//", "/.well-known/jwks.json?" + "a=b&" * 5000, "/%2e%2e/", "/graphql/ws",
]
NESTED_INTROSPECTION = "{__schema{types{fields{type{fields{type{fields{type{fields{type{name}}}}}}}}}}}"


def costly_documents():
    """Yields GraphQL documents that exceed a limit."""
    field, many = "users(first:1000){nodes{offers{id}}}", random.choice([50, 1000, 8000])
    deep = random.choice([20, 200, 5000])
    yield "{" + " ".join(f"a{n}:__typename" for n in range(many)) + "}"
    yield "{" + " ".join(f"a{n}:{field}" for n in range(many // 4)) + "}"
    yield "{user(id:1)" + "{offers{user" * deep + "{id}" + "}}" * deep + "}"
    yield "{" * deep
    yield "{user(id:1){id " + "@include(if:true) " * many + "}}"
    yield "{__typename " + "@a" * many + "}"
    chain = "".join(f"fragment f{n} on User{{...f{n + 1} ...f{n + 1}}} " for n in range(min(many, 500)))
    yield "{user(id:1){...f0}} " + chain + f"fragment f{min(many, 500)} on User{{id}}"
    yield "{user(id:1){...a}} fragment a on User{...b} fragment b on User{...a}"
    yield NESTED_INTROSPECTION
    yield "query($a:[[[[[[Int]]]]]]=" + "[" * deep + "]" * deep + "){__typename}"
    yield 'mutation{register(input:{username:"' + "\\u00" * many + '"}){id}}'
    yield "mutation{" + " ".join(f'a{n}:authenticate(input:{{username:"a",password:"b"}}){{userId}}' for n in range(100)) + "}"
    yield "{_entities(representations:[" + '{__typename:"User",id:1},' * many + "]){__typename}}"
    yield "#" * 200_000 + "\n{__typename}"
    yield "query a{__typename} " * many
    yield "{users(first:2147483647){nodes{id}}}"
    yield "{users(first:-5,after:\"" + "A" * 1000 + "\"){nodes{id}}}"


def mutate_json(value):
    """Returns a copy of a JSON value with one random defect."""
    if isinstance(value, dict) and value and random.random() < 0.8:
        key = random.choice(list(value))
        changed = dict(value)
        draw = random.random()
        if draw < 0.2:
            del changed[key]
        elif draw < 0.3:
            changed[random.choice(["", "\0", "__proto__", "x" * 5000])] = random.choice(VALUES)
        else:
            changed[key] = mutate_json(value[key])
        return changed
    if isinstance(value, str) and value and random.random() < 0.3:
        at = random.randrange(len(value))
        return value[:at] + random.choice(["\0", "\"", "\\", "é", "\u202e", ""]) + value[at + 1:]
    return random.choice(VALUES)


def mutate_bytes(data):
    """Returns a copy of the bytes with some lost, doubled or changed."""
    data = bytearray(data)
    for _ in range(random.choice([1, 1, 2, 10])):
        at = random.randrange(len(data) + 1)
        match random.randrange(4):
            case 0:
                del data[at : at + random.randrange(1, 8)]
            case 1:
                data[at:at] = data[max(0, at - 10) : at]
            case 2:
                data[at:at] = bytes([random.randrange(256)])
            case 3:
                data[at : at + 1] = random.choice([b'"', b"{", b"[", b"\xff", b",", b"-", b"e9999"])
    return bytes(data)


def random_request():
    """Returns service, method, path, body and headers of a malformed request."""
    draw, headers = random.random(), []
    if draw < 0.35:
        service, method, path, body = random.choice(REST_REQUESTS)
        body = json.dumps(mutate_json(body)).encode()
        if random.random() < 0.4:
            body = mutate_bytes(body)
    elif draw < 0.45:
        return random.choice(["users", "offers"]), random.choice(["GET", "POST", "DELETE", "PATCH", "TRACE"]), random.choice(PATHS), None, []
    elif draw < 0.9:
        service, method, path = random.choice(["users", "offers"]), "POST", "/graphql"
        document = random.choice(list(costly_documents()))
        params = {"query": document, "variables": random.choice([None, {}, {"first": 10**9}, {"input": {}}])}
        if random.random() < 0.1:
            params = [params] * random.choice([2, 100])
        elif random.random() < 0.2:
            params = mutate_json(params)
        body = json.dumps(params).encode()
        if random.random() < 0.1:
            body = mutate_bytes(body)
    elif draw < 0.9 + 0.002:
        service, method, path, body = "users", "POST", random.choice(["/graphql", "/user/auth/"]), b" " * 3_000_000
    else:
        service, method, path = random.choice(["users", "offers"]), "POST", "/graphql"
        depth = random.choice([10, 1000, 60_000])
        body = random.choice([b"[" * depth, b'{"a":' * depth, b'{"query":"{__typename}","variables":' + b'{"a":' * depth, b"\xef\xbb\xbf{}"])
    if random.random() < 0.05:
        headers.append(random.choice([
            ("content-type", "text/plain"), ("content-type", "multipart/form-data; boundary=x"),
            ("authorization", "Bearer " + "x" * 5000), ("authorization", "Basic \xff"), ("accept", ",;q=9"),
            ("content-encoding", "gzip"), ("expect", "100-continue"), ("x-forwarded-for", "," * 1000),
        ]))
    return service, method, path, body, headers


async def send_requests(addresses, count, results):
    """Adds duration, status, whether there was `Retry-After`, method, path and body of each request."""
    clients = {name: AsyncClient(address) for name, address in addresses.items()}
    for _ in range(count):
        service, method, path, body, headers = random_request()
        start = time.monotonic()
        try:
            status, fields, _ = await clients[service].request(method, path, body, headers)
        except (ConnectionError, asyncio.IncompleteReadError):
            # The service may close the connection instead of reading the rest of a body that is too large.
            status, fields = (413 if body and len(body) > 262_144 else 0), {}
            clients[service].close()
        results.append((time.monotonic() - start, status, "retry-after" in fields, method, path[:40], (body or b"")[:200]))


async def main(stack, checks):
    addresses = {kind: stack.http_addresses[f"{kind}-1"] for kind in ("users", "offers")}
    results = []
    await asyncio.gather(*(send_requests(addresses, REQUESTS // CONCURRENCY, results) for _ in range(CONCURRENCY)))
    broken = [result for result in results
              if result[1] >= 500 and not (result[1] == 503 and result[2]) or result[1] == 0]
    checks.check(not broken, f"no 5xx but a 503 with Retry-After ({len(broken)}: {broken[:3]})")
    counts = collections.Counter(result[1] for result in results)
    print(f"{len(results)} requests, by status: {dict(sorted(counts.items()))}")
    slowest = max(results)
    checks.check(
        slowest[0] < MAX_SECONDS,
        f"slowest {slowest[0] * 1000:.0f} ms, p99 {percentile([result[0] for result in results], 0.99) * 1000:.0f} ms"
        + (f": {slowest[3:]}" if slowest[0] >= MAX_SECONDS else ""),
    )
    for name, service in stack.services.items():
        checks.check(service.running(), f"{name} still runs")
        errors = service.errors()
        checks.check(not errors, f"{name} logs no panic and no internal error {errors[:3]}")


random.seed(SEED)
print(f"SEED={SEED}")
checks = Checks()
with Stack(nginx=False, durable=False, memory_limit=4_096_000_000) as stack:
    stack.seed(5, 20)
    asyncio.run(main(stack, checks))
checks.finish()
