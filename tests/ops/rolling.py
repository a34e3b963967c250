"""Every instance of both services ended by SIGTERM and started again, one after the other, at 200
requests a second through nginx for two minutes, with a rotation of the signing keys in between: no
request fails."""

import signal
import sys
import time

sys.path.append(f"{sys.path[0]}/../support")
from checks import run_checks
from clients import Load, count_statuses, percentile
from services import Stack

SECONDS = 120


def rolling_restart_fails_no_request():
    with Stack(SECURITY="strict", ACCESS_TTL="1h", OFFERS_PATIENCE="5s") as stack:
        user = stack.register()
        login = {"username": "ann", "password": "correct horse"}
        token = {"Authorization": f"Bearer {stack.log_in()['access_token']}"}
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
                assert stack.services[name].stop(signal.SIGTERM) == 0, name
                stack.start(name)
                stack.wait_until_ready(name)
            rounds += 1
            if rounds == 1:
                stack.run("users-api", "keys", "rotate", "--lead", "15s")
            else:
                # The new key signs by now, and every instance accepts it.
                token["Authorization"] = f"Bearer {stack.log_in()['access_token']}"
        responses = load.stop()
        failed = [response for response in responses if response[2] not in (200, 201)]
        assert not failed, (len(failed), count_statuses(responses), failed[:5])
        assert len(responses) >= 20000, len(responses)
        p99 = percentile([seconds for _, seconds, _, _ in responses], 0.99)
        return f"{len(responses)} requests, 0 failed, {rounds} rounds of 4 restarts, p99 {p99 * 1000:.0f} ms"


run_checks(rolling_restart_fails_no_request)
