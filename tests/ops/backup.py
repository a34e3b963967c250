"""A dump taken under load, restored elsewhere, and the services run on it."""

import json
import time

from load import Load, statuses
from stack import Postgres, Stack, postgres_programs
from suite import run


def dump_and_restore():
    with Stack(nginx=False, OFFERS_PATIENCE="5s") as stack:
        users, offers = stack.ports["users-1"], stack.ports["offers-1"]
        registration = {"username": "ann", "password": "correct horse", "email": "a@example.org"}
        user = json.loads(stack.ask(users, "POST", "/user/registry/", registration)[2])["id"]
        load = Load(stack, lambda n: ("POST", "/offer/create/", {
            "user_id": user, "title": f"offer {n}", "text": "x"}), port=offers, rate=100)
        time.sleep(2)
        before = [json.loads(body)["id"] for _, _, status, body in list(load.answers)
                  if status == 201]
        dump = stack.postgres.folder / "dump"
        program = postgres_programs()
        start = time.monotonic()
        stack.postgres.owned(program / "pg_dump", "-U", "postgres", "-h", stack.postgres.folder,
                             "--format=custom", "--file", dump, "postgres")
        span = time.monotonic() - start
        time.sleep(1)
        answers = load.stop()
        assert set(statuses(answers)) == {201}, statuses(answers)
        made = {json.loads(body)["id"] for _, _, _, body in answers}

        other = Postgres(stack.folder / "other")
        try:
            other.owned(program / "pg_restore", "-U", "postgres", "-h", other.folder,
                        "--exit-on-error", "--no-owner", "--dbname=postgres", dump)
            for service in stack.services.values():
                service.end()
            stack.database_url = other.url
            for name in ("users-1", "offers-1"):
                stack.start(name)
            for name in ("users-1", "offers-1"):
                stack.ready(name)
            login = {key: registration[key] for key in ("username", "password")}
            assert stack.ask(users, "POST", "/user/auth/", login)[0] == 200
            kept, path = set(), f"/user/{user}/"
            while path:
                status, headers, body = stack.ask(users, "GET", path)
                assert status == 200, body
                kept |= {offer["id"] for offer in json.loads(body)["offers"]}
                link = headers["Link"]
                path = link and link[link.index("<") + 1:link.index(">")]
            assert set(before) <= kept <= made, (len(before), len(kept), len(made))
            status, _, body = stack.ask(offers, "POST", "/offer/create/", {
                "user_id": user, "title": "new", "text": "x"})
            assert status == 201 and json.loads(body)["id"] > max(kept), body
            return f"dump {span:.2f} s, {len(before)} before it, {len(kept)} in it, {len(made)} made"
        finally:
            other.close()


run(dump_and_restore)
