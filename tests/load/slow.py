#!/usr/bin/env python3
"""2,000 concurrent slow clients, over HTTP and HTTPS: silent, half a TLS hello, half a head, half a
body, not reading. All have to be disconnected within 12 s, and must not slow down other clients.

CLIENTS changes the number of slow clients. TIMES=off is for a busy machine: it allows three times as
long, and does not compare the times of other clients.
"""

import asyncio
import os
import socket
import ssl
import sys
import time
from concurrent.futures import ProcessPoolExecutor

sys.path.append(f"{sys.path[0]}/../support")
from checks import Checks
from clients import AsyncClient, percentile
from services import Stack

CLIENTS = int(os.environ.get("CLIENTS", 2000))
COMPARE_TIMES = os.environ.get("TIMES") != "off"
TIMEOUT = 12 if COMPARE_TIMES else 36
# The first bytes of a TLS handshake record of 512 bytes.
HALF_HELLO = bytes.fromhex("160301020001")
HALF_HEAD = b"GET /health/live HTTP/1.1\r\nhost: te"
HALF_BODY = b"POST /user/auth/ HTTP/1.1\r\nhost: test\r\ncontent-length: 100\r\n\r\n{"
HALF_PREFACE = b"PRI * HTTP/2.0\r\n"
# Enough responses to fill every buffer on the way.
MANY_REQUESTS = b"GET /openapi.json HTTP/1.1\r\nhost: test\r\n\r\n" * 400


def unverified_tls():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def seconds_until_closed(address, data, tls, reads):
    """Sends the data, and returns how long it took until the service closed the connection."""
    raw = socket.socket()
    raw.setblocking(False)
    # A small receive buffer, so that the service soon cannot send any more.
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await asyncio.get_running_loop().sock_connect(raw, address)
    reader, writer = await asyncio.open_connection(
        sock=raw, ssl=tls, server_hostname="localhost" if tls else None, limit=4096 if reads else 1
    )
    start = time.monotonic()
    try:
        writer.write(data)
        if not reads:
            # With TLS, asyncio keeps reading into buffers of its own, so the inner transport is paused.
            protocol = getattr(writer.transport, "_ssl_protocol", None)
            (protocol._transport if protocol else writer.transport).pause_reading()
            # Without reading, only a reset shows the end: write until there is one.
            while time.monotonic() - start < 3 * TIMEOUT:
                # Rarely, or this script would be the load.
                await asyncio.sleep(0.5)
                if writer.transport.is_closing():
                    break
                writer.write(b"GET /health/live HTTP/1.1\r\nhost: test\r\n\r\n")
        else:
            while await asyncio.wait_for(reader.read(65536), 3 * TIMEOUT):
                pass
    except (OSError, asyncio.TimeoutError):
        pass
    finally:
        writer.transport.abort()
    return time.monotonic() - start


def measure_other_client(address):
    """Returns how long requests of one client take, for 5 s."""
    return asyncio.run(time_requests(address, time.monotonic() + 5))


async def time_requests(address, end):
    client, times = AsyncClient(address), []
    while time.monotonic() < end:
        start = time.monotonic()
        status, _, _ = await client.request("GET", "/health/live")
        assert status == 200
        times.append(time.monotonic() - start)
        await asyncio.sleep(0.005)
    client.close()
    return times


async def main(stack, checks):
    http, https = stack.http_addresses["users-1"], ("127.0.0.1", stack.ports["users-1"])
    tls = unverified_tls()
    kinds = {
        "silent": (http, b"", None, True),
        "silent over TLS": (https, b"", tls, True),
        "half a TLS hello": (https, HALF_HELLO, None, True),
        "half a head": (http, HALF_HEAD, None, True),
        "half a head over TLS": (https, HALF_HEAD, tls, True),
        "half a preface of HTTP/2": (https, HALF_PREFACE, tls, True),
        "half a body": (http, HALF_BODY, None, True),
        "half a body over TLS": (https, HALF_BODY, tls, True),
        "not reading": (http, MANY_REQUESTS, None, False),
        "not reading over TLS": (https, MANY_REQUESTS, tls, False),
    }
    # In a process of its own, since 2,000 clients share one core here.
    pool, loop = ProcessPoolExecutor(1), asyncio.get_running_loop()
    before = await loop.run_in_executor(pool, measure_other_client, http)
    count = CLIENTS // len(kinds)
    tasks = {kind: [asyncio.ensure_future(seconds_until_closed(*arguments)) for _ in range(count)]
             for kind, arguments in kinds.items()}
    # Connecting is the load of new clients, not of slow ones.
    await asyncio.sleep(4)
    during = await loop.run_in_executor(pool, measure_other_client, http)
    await asyncio.gather(*(task for group in tasks.values() for task in group))
    for kind, group in tasks.items():
        longest = max(task.result() for task in group)
        checks.check(longest <= TIMEOUT, f"{kind}: disconnected within {TIMEOUT} s ({longest:.1f} s)")
    before, during = percentile(before, 0.99) * 1000, percentile(during, 0.99) * 1000
    if COMPARE_TIMES:
        checks.check(during <= 2 * before, f"p99 of other clients {during:.1f} ms, before {before:.1f} ms")


checks = Checks()
with Stack(nginx=False, durable=False, SECURITY="strict") as stack:
    asyncio.run(main(stack, checks))
checks.finish()
