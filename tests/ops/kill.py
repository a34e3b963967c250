"""kill -9 of offers-api, of users-api and of PostgreSQL during 5,000 writes each, on PostgreSQL
and on SQLite: what was acknowledged is there, and nothing is there twice."""

import http.client
import json
import sqlite3
import threading
import time

from stack import Stack, send, until
from suite import run

WRITES = 5000
KILLS = 5
THREADS = 16


def rows(stack, text):
    if stack.postgres:
        return [line.split("|") for line in stack.postgres.sql(text).splitlines()]
    with sqlite3.connect(f"file:{stack.folder}/classifieds.db?mode=ro", uri=True) as database:
        return [[str(value) for value in row] for row in database.execute(text)]


def written(stack, port, request, kill):
    """Writes, each repeated until it is acknowledged, while something is killed now and then: the
    acknowledged ids by their number, and how many answers were lost."""
    acknowledged, lost = {}, [0]
    numbers, lock = iter(range(WRITES)), threading.Lock()

    def work():
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
                    # The answer to the first was lost.
                    acknowledged[number] = None
                else:
                    assert status == 503, (status, body)
                    time.sleep(0.05)
    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for n in range(1, KILLS + 1):
        until("writes go on", lambda: len(acknowledged) >= n * WRITES // (KILLS + 1), 600)
        kill()
    for thread in threads:
        thread.join()
    assert len(acknowledged) == WRITES, len(acknowledged)
    return acknowledged, lost[0]


def offers(stack, kill):
    port = stack.ports["users-1"]
    user = json.loads(stack.ask(port, "POST", "/user/registry/", {
        "username": "ann", "password": "correct horse", "email": "a@example.org"})[2])["id"]

    def request(number):
        body = {"user_id": user, "title": f"offer {number}", "text": "x"}
        return "POST", "/offer/create/", body, {"Idempotency-Key": f"key-{number}"}
    acknowledged, lost = written(stack, stack.ports["offers-1"], request, lambda: kill(stack))
    found = {title: int(id) for title, id in rows(stack, "select title, id from offers")}
    count = int(rows(stack, "select count(*) from offers")[0][0])
    assert count == len(found) == WRITES, (count, len(found))
    for number, id in acknowledged.items():
        assert found[f"offer {number}"] == id, number
    return f"{WRITES} writes, {KILLS} kills, {lost} answers lost, none missing, none double"


def users(stack, kill):
    def request(number):
        return "POST", "/user/registry/", {
            "username": f"user-{number}", "password": "x", "email": f"u{number}@example.org"}
    acknowledged, lost = written(stack, stack.ports["users-1"], request, lambda: kill(stack))
    found = {name: int(id) for name, id in rows(stack, "select username, id from users")}
    assert len(found) == WRITES, len(found)
    for number, id in acknowledged.items():
        assert id in (None, found[f"user-{number}"]), number
    return f"{WRITES} writes, {KILLS} kills, {lost} answers lost, none missing, none double"


def killed(name):
    def kill(stack):
        stack.services[name].end()
        stack.start(name)
    return kill


def database_killed(stack):
    stack.postgres.kill()
    stack.postgres.control("start")


def on(engine, what, kill):
    with Stack(engine, nginx=False) as stack:
        return what(stack, kill)


def offers_api_on_postgres():
    return on("postgres", offers, killed("offers-1"))


def offers_api_on_sqlite():
    return on("sqlite", offers, killed("offers-1"))


def users_api_on_postgres():
    return on("postgres", users, killed("users-1"))


def users_api_on_sqlite():
    return on("sqlite", users, killed("users-1"))


def postgres():
    return on("postgres", offers, database_killed)


run(offers_api_on_postgres, offers_api_on_sqlite, postgres, users_api_on_postgres,
    users_api_on_sqlite)
