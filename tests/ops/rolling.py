"""Every instance of both services ended by SIGTERM and started again, one after the other, at 200
requests a second through nginx for two minutes, with a new signing key in between: none fails."""

import json
import os
import signal
import subprocess
import time

from load import Load, statuses
from stack import BINARIES, Stack
from suite import run

SECONDS = 120


def rolling():
    with Stack(SECURITY="strict", ACCESS_TTL="1h", OFFERS_PATIENCE="5s") as stack:
        registration = {"username": "ann", "password": "seven quiet herons",
                        "email": "ann@example.org"}
        user = json.loads(stack.ask(None, "POST", "/user/registry/", registration)[2])["id"]
        login = {key: registration[key] for key in ("username", "password")}
        session = json.loads(stack.ask(None, "POST", "/user/auth/", login)[2])
        token = {"Authorization": f"Bearer {session['access_token']}"}
        offer = {"user_id": user, "title": "chair", "text": "old"}

        def request(number):
            match number % 8:
                case 0:
                    return "POST", "/offer/create/", offer, token
                case 1:
                    return "POST", "/offer/", {"user_id": user}, token
                case 2:
                    return "POST", "/offers/graphql", {"query": "{ __typename }"}
                case 3:
                    return "POST", "/graphql", {"query": "{ me { username } }"}, token
                case 4 if number % 160 == 4:
                    return "POST", "/user/auth/", login
                case _:
                    return "GET", f"/user/{user}/?offers_limit=5", None, token
        load = Load(stack, request)
        end = time.monotonic() + SECONDS
        rounds = 0
        while time.monotonic() < end:
            for name in stack.ports:
                assert stack.services[name].end(signal.SIGTERM) == 0, name
                stack.start(name)
                stack.ready(name)
            rounds += 1
            if rounds == 1:
                rotate(stack)
            else:
                # Signed with the new key by now, and taken by all.
                session = json.loads(stack.ask(None, "POST", "/user/auth/", login)[2])
                token["Authorization"] = f"Bearer {session['access_token']}"
        answers = load.stop()
        failed = [answer for answer in answers if answer[2] not in (200, 201)]
        assert not failed, (len(failed), statuses(answers), failed[:5])
        assert len(answers) >= 20000, len(answers)
        spans = sorted(span for _, span, _, _ in answers)
        return (f"{len(answers)} requests, 0 failed, {rounds} rounds of 4 restarts, "
                f"p99 {spans[int(len(spans) * 0.99)] * 1000:.0f} ms")


def rotate(stack):
    subprocess.run([BINARIES / "users-api", "keys", "rotate", "--lead", "15s"], cwd=stack.folder,
                   check=True, stdout=subprocess.DEVNULL,
                   env={"JWT_KEY_DIR": str(stack.folder / "keys"), "PATH": os.environ["PATH"]})


run(rolling)
