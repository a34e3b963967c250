"""kill -9 of offers-api, of users-api and of PostgreSQL during 5,000 writes each, on PostgreSQL
and on SQLite: every acknowledged write is in the database, exactly once."""

import http.client
import json
import sqlite3
import sys
import threading
import time

sys.path.append(f"{sys.path[0]}/../support")
from checks import run_checks
from clients import send
from services import Stack, wait_until

WRITES = 5000
KILLS = 5
THREADS = 16


def select(stack, text):
    """Returns the rows of a statement, each a list of strings."""
    if stack.postgres:
        return [line.split("|") for line in stack.postgres.sql(text).splitlines()]
    with sqlite3.connect(f"file:{stack.folder}/classifieds.db?mode=ro", uri=True) as database:
        return [[str(value) for value in row] for row in database.execute(text)]


def write_despite_kills(stack, port, request, kill):
    """Repeats each write until it is acknowledged, and calls `kill` in between. Returns the acknowledged
    ids by the number of the write, and how many responses were lost."""
    acknowledged, lost = {}, [0]
    numbers, lock = iter(range(WRITES)), threading.Lock()

    def send_writes():
        connection = stack.connect(port)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            end = time.monotonic() + 60
            while number not in acknowledged:
                assert time.monotonic() < end, f"write {number} is never acknowledged"
                try:
                    status, _, body = send(connection, *request(number))
                except (OSError, http.client.HTTPException):
                    lost[0] += 1
                    connection.close()
                    connection = stack.connect(port)
                    time.sleep(0.05)
                    continue
                if status == 201:
                    acknowledged[number] = json.loads(body)["id"]
                elif status == 409:
                    # An earlier try succeeded, and its response was lost.
                    acknowledged[number] = None
                else:
                    assert status == 503, (status, body)
                    time.sleep(0.05)
    threads = [threading.Thread(target=send_writes) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for n in range(1, KILLS + 1):
        wait_until("writes continue", lambda: len(acknowledged) >= n * WRITES // (KILLS + 1), 600)
        kill()
    for thread in threads:
        thread.join()
    assert len(acknowledged) == WRITES, len(acknowledged)
    return acknowledged, lost[0]


def write_offers(stack, kill):
    user = stack.register(port=stack.ports["users-1"])

    def request(number):
        body = {"user_id": user, "title": f"offer {number}", "text": "x"}
        return "POST", "/offer/create/", body, {"Idempotency-Key": f"key-{number}"}
    acknowledged, lost = write_despite_kills(stack, stack.ports["offers-1"], request, lambda: kill(stack))
    found = {title: int(id) for title, id in select(stack, "select title, id from offers")}
    count = int(select(stack, "select count(*) from offers")[0][0])
    assert count == len(found) == WRITES, (count, len(found))
    for number, id in acknowledged.items():
        assert found[f"offer {number}"] == id, number
    return f"{WRITES} writes, {KILLS} kills, {lost} responses lost, no write missing or duplicated"


def write_users(stack, kill):
    def request(number):
        return "POST", "/user/registry/", {
            "username": f"user-{number}", "password": "x", "email": f"u{number}@example.org"}
    acknowledged, lost = write_despite_kills(stack, stack.ports["users-1"], request, lambda: kill(stack))
    found = {name: int(id) for name, id in select(stack, "select username, id from users")}
    assert len(found) == WRITES, len(found)
    for number, id in acknowledged.items():
        assert id in (None, found[f"user-{number}"]), number
    return f"{WRITES} writes, {KILLS} kills, {lost} responses lost, no write missing or duplicated"


def kill_service(name):
    def kill(stack):
        stack.services[name].stop()
        stack.start(name)
    return kill


def kill_postgres(stack):
    stack.postgres.kill()
    stack.postgres.control("start")


def write_and_kill(database, write, kill):
    with Stack(database, nginx=False, REGISTRATION_BURST="100000") as stack:
        return write(stack, kill)


def offers_survive_kills_of_offers_api_on_postgres():
    return write_and_kill("postgres", write_offers, kill_service("offers-1"))


def offers_survive_kills_of_offers_api_on_sqlite():
    return write_and_kill("sqlite", write_offers, kill_service("offers-1"))


def users_survive_kills_of_users_api_on_postgres():
    return write_and_kill("postgres", write_users, kill_service("users-1"))


def users_survive_kills_of_users_api_on_sqlite():
    return write_and_kill("sqlite", write_users, kill_service("users-1"))


def offers_survive_kills_of_postgres():
    return write_and_kill("postgres", write_offers, kill_postgres)


run_checks(offers_survive_kills_of_offers_api_on_postgres, offers_survive_kills_of_offers_api_on_sqlite,
           offers_survive_kills_of_postgres, users_survive_kills_of_users_api_on_postgres,
           users_survive_kills_of_users_api_on_sqlite)
