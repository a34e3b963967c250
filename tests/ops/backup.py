"""A dump taken under load, restored elsewhere, and the services run on it."""

import json
import sys
import time

sys.path.append(f"{sys.path[0]}/../support")
from checks import run_checks
from clients import Load, count_statuses
from services import Postgres, Stack


def dump_under_load_is_consistent():
    with Stack(nginx=False, OFFERS_PATIENCE="5s") as stack:
        users, offers = stack.ports["users-1"], stack.ports["offers-1"]
        user = stack.register(port=users)
        load = Load(stack, lambda n: ("POST", "/offer/create/", {
            "user_id": user, "title": f"offer {n}", "text": "x"}), port=offers, rate=100)
        time.sleep(2)
        before = {json.loads(body)["id"] for _, _, status, body in list(load.responses) if status == 201}
        dump = stack.postgres.folder / "dump"
        start = time.monotonic()
        stack.postgres.run_program("pg_dump", "-U", "postgres", "-h", stack.postgres.folder,
                                   "--format=custom", "--file", dump, "postgres")
        seconds = time.monotonic() - start
        time.sleep(1)
        responses = load.stop()
        assert set(count_statuses(responses)) == {201}, count_statuses(responses)
        created = {json.loads(body)["id"] for _, _, _, body in responses}

        other = Postgres(stack.folder / "other")
        try:
            other.run_program("pg_restore", "-U", "postgres", "-h", other.folder,
                              "--exit-on-error", "--no-owner", "--dbname=postgres", dump)
            for service in stack.services.values():
                service.stop()
            stack.database_url = other.url
            for name in stack.ports:
                stack.start(name)
            for name in stack.ports:
                stack.wait_until_ready(name)
            stack.log_in(port=users)
            restored, path = set(), f"/user/{user}/"
            while path:
                status, headers, body = stack.request("GET", path, port=users)
                assert status == 200, body
                restored |= {offer["id"] for offer in json.loads(body)["offers"]}
                link = headers["Link"]
                path = link and link[link.index("<") + 1:link.index(">")]
            assert before <= restored <= created, (len(before), len(restored), len(created))
            status, _, body = stack.request("POST", "/offer/create/", {
                "user_id": user, "title": "new", "text": "x"}, port=offers)
            assert status == 201 and json.loads(body)["id"] > max(restored), body
            return (f"dump {seconds:.2f} s, {len(before)} created before it, {len(restored)} in it, "
                    f"{len(created)} created in all")
        finally:
            other.close()


run_checks(dump_under_load_is_consistent)
