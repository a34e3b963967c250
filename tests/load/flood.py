#!/usr/bin/env python3
"""A flood of 500 concurrent logins for 20 s, each rejected one sent again after `Retry-After`: memory
stays bounded, other requests are answered, and no core is idle.

Needs PROFILE=release, and `cargo build --release --workspace --bins --example hash_rate` before.
SECONDS and CLIENTS change the size.
"""

import asyncio
import os
import random
import subprocess
import sys
import time

sys.path.append(f"{sys.path[0]}/../support")
from checks import Checks
from clients import AsyncClient, percentile
from services import BINARIES, Stack

SECONDS = int(os.environ.get("SECONDS", 20))
CLIENTS = int(os.environ.get("CLIENTS", 500))
USERS = 500


async def log_in_repeatedly(address, number, end, counts):
    client = AsyncClient(address)
    body = {"username": f"demo{number % USERS + 1}", "password": "demo"}
    while time.monotonic() < end:
        status, headers, _ = await client.request("POST", "/user/auth/", body)
        if time.monotonic() < end:
            counts[status] = counts.get(status, 0) + 1
        if status == 503:
            await asyncio.sleep(int(headers["retry-after"]) * random.uniform(0.5, 1))
    client.close()


async def read_users(address, end, times):
    client = AsyncClient(address)
    while time.monotonic() < end:
        start = time.monotonic()
        status, _, _ = await client.request("GET", f"/user/{random.randint(1, USERS)}/")
        assert status == 200, status
        times.append(time.monotonic() - start)
        await asyncio.sleep(0.02)
    client.close()


async def watch_memory(service, end):
    most = 0
    while time.monotonic() < end:
        most = max(most, service.resident_mib())
        await asyncio.sleep(0.1)
    return most


def bare_hash_rate():
    """Returns the hashes per second of a loop that does nothing else."""
    done = subprocess.run([BINARIES / "examples/hash_rate", "5"], check=True, capture_output=True)
    return float(done.stdout)


async def main(stack, checks):
    service, address = stack.services["users-1"], stack.http_addresses["users-1"]
    rate_before, memory_before = bare_hash_rate(), service.resident_mib()
    end = time.monotonic() + SECONDS
    counts, times = {}, []
    service_cpu, script_cpu = service.cpu_seconds(), time.process_time()
    *_, most = await asyncio.gather(
        *(log_in_repeatedly(address, number, end, counts) for number in range(CLIENTS)),
        read_users(address, end, times),
        watch_memory(service, end),
    )
    service_cpu, script_cpu = service.cpu_seconds() - service_cpu, time.process_time() - script_cpu
    rate, possible = counts.get(200, 0) / SECONDS, (rate_before + bare_hash_rate()) / 2
    print(f"responses: {counts}; cores: {service_cpu / SECONDS:.2f} users-api, {script_cpu / SECONDS:.2f} this script")
    checks.check(set(counts) <= {200, 503}, "logins return 200 or 503")
    allowed = memory_before + 64 + os.cpu_count() * 19
    checks.check(most <= allowed, f"RSS {most:.0f} MiB, {memory_before:.0f} before, {allowed:.0f} allowed")
    p99 = percentile(times, 0.99) * 1000
    checks.check(p99 <= 100, f"GET /user/{{id}}/ p99 {p99:.0f} ms over {len(times)} requests")
    checks.check(
        rate >= 0.8 * possible,
        f"{rate:.1f} logins a second, {rate / possible:.0%} of the {possible:.1f} of a bare loop",
    )


checks = Checks()
with Stack(nginx=False, durable=False, SECURITY="strict") as stack:
    stack.seed(USERS, 1)
    asyncio.run(main(stack, checks))
checks.finish()
