#!/usr/bin/env python3
"""The time of a rejected login must not reveal the reason: N logins each of an unknown name, a wrong
password and an empty one, compared in pairs by the area under the ROC curve (0.5 is chance).
"""

import asyncio
import itertools
import os
import random
import sys
import time

sys.path.append(f"{sys.path[0]}/../support")
from checks import Checks
from clients import AsyncClient, percentile
from services import Stack

N = int(os.environ.get("N", 1000))


def auc(times, other_times):
    """Returns how often a time of one kind is longer than one of the other, at least 0.5."""
    ranked = sorted([(value, 0) for value in times] + [(value, 1) for value in other_times])
    ranks = sum(rank for rank, (_, kind) in enumerate(ranked, 1) if kind == 0)
    area = (ranks - len(times) * (len(times) + 1) / 2) / (len(times) * len(other_times))
    return max(area, 1 - area)


async def main(address, checks):
    client = AsyncClient(address)
    times = {"unknown name": [], "wrong password": [], "empty password": []}
    # Every kind has as many names, of similar lengths, and the kinds alternate at random.
    attempts = [(kind, number) for kind in times for number in range(N)]
    random.shuffle(attempts)
    for index, (kind, number) in enumerate(attempts):
        name = f"nobo{number + 1}" if kind == "unknown name" else f"demo{number + 1}"
        password = "" if kind == "empty password" else "wrong"
        # A new client address for each, so that none is throttled.
        source = ".".join(["10", *(str(index >> shift & 255) for shift in (16, 8, 0))])
        start = time.perf_counter()
        status, _, content = await client.request(
            "POST", "/user/auth/", {"username": name, "password": password}, [("x-forwarded-for", source)])
        times[kind].append(time.perf_counter() - start)
        assert status == 401, (status, content)
    client.close()
    for kind, values in times.items():
        print(f"{kind}: median {percentile(values, 0.5) * 1000:.2f} ms")
    for one, other in itertools.combinations(times, 2):
        area = auc(times[one], times[other])
        checks.check(area <= 0.55, f"{one} and {other} cannot be told apart: AUC {area:.3f}")


checks = Checks()
with Stack(nginx=False, durable=False, SECURITY="strict", TRUSTED_PROXIES="127.0.0.1") as stack:
    stack.seed(N, 0)
    asyncio.run(main(stack.http_addresses["users-1"], checks))
checks.finish()
