"""A database that fails and recovers, and offers-api killed or stopped, under load."""

import json
import signal
import sys
import time

sys.path.append(f"{sys.path[0]}/../support")
from checks import run_checks
from clients import Load, count_statuses, percentile, seconds_to_last_failure
from services import Stack, wait_until


def recover_from(fault):
    """Causes a fault of the database under load. `fault` returns when it is over."""
    # A machine that is busy with the tests may respond late, which is not what is tested.
    with Stack(OFFERS_PATIENCE="5s") as stack:
        user = stack.register()
        offer = {"user_id": user, "title": "chair", "text": "old"}
        assert stack.request("POST", "/offer/create/", offer)[0] == 201

        def request(number):
            # Pages of a few offers, however many are created here.
            if number % 2:
                return "GET", f"/user/{user}/?offers_limit=5"
            return "POST", "/offer/create/", offer
        before = stack.process_ids()
        load = Load(stack, request)
        time.sleep(2)
        recovered = fault(stack.postgres)
        wait_until("four seconds of load have passed", lambda: load.responses[-1][0] > recovered + 4)
        responses = load.stop()
        assert stack.process_ids() == before, "a service ended"
        counts, last_failure = count_statuses(responses), seconds_to_last_failure(responses, recovered)
        assert set(counts) <= {200, 201, 503}, (counts, next(
            response for response in responses if response[2] not in (200, 201, 503)))
        assert counts.get(503), f"the fault had no effect: {counts}"
        for _, _, status, body in responses:
            if status == 503:
                assert json.loads(body)["code"] in ("DATABASE_UNAVAILABLE", "OFFERS_UNAVAILABLE")
        assert last_failure <= 2, (last_failure, counts)
        slowest = max(seconds for _, seconds, _, _ in responses)
        return f"{counts}, last failure after {last_failure:.2f} s, slowest {slowest:.2f} s"


def services_recover_from_a_database_restart():
    def fault(postgres):
        postgres.control("-m", "fast", "stop")
        time.sleep(2)
        postgres.control("start")
        return time.monotonic()
    return recover_from(fault)


def services_recover_from_an_immediate_database_restart():
    def fault(postgres):
        postgres.control("-m", "immediate", "restart")
        return time.monotonic()
    return recover_from(fault)


def services_recover_from_a_read_only_database():
    """As after a fail-over: connections that stay open lead to a server that is read-only."""
    def fault(postgres):
        postgres.sql("alter role postgres set default_transaction_read_only = on")
        postgres.sql("select pg_terminate_backend(pid) from pg_stat_activity"
                     " where pid <> pg_backend_pid() and backend_type = 'client backend'")
        time.sleep(3)
        postgres.sql("begin read write; alter role postgres reset default_transaction_read_only;"
                     " commit")
        return time.monotonic()
    return recover_from(fault)


QUERY = {"query": '{ user(username: "ann") { username offers { title } } }'}


def has_offers(stack):
    """Runs the query once, and returns True if the response has the offers."""
    status, _, body = stack.request("POST", "/graphql", QUERY, port=stack.ports["users-1"])
    response = json.loads(body)
    assert status == 200 and response["data"]["user"]["username"] == "ann", (status, body)
    return response["data"]["user"]["offers"] is not None


def serve_users_without_offers(interrupt, restore):
    with Stack(nginx=False) as stack:
        users, offers = stack.ports["users-1"], stack.ports["offers-1"]
        user = stack.register(port=users)
        assert stack.request("POST", "/offer/create/", {
            "user_id": user, "title": "chair", "text": "old"}, port=offers)[0] == 201
        assert has_offers(stack)
        # Many requests at once, so that one that waits for another would show.
        load = Load(stack, lambda _: ("POST", "/graphql", QUERY), port=users, rate=100)
        time.sleep(1)
        interrupted = time.monotonic()
        interrupt(stack)
        time.sleep(3)
        restored = time.monotonic()
        restore(stack)
        recovery = []

        def has_recovered():
            if b"chair" in load.responses[-1][3] and load.responses[-1][0] > restored:
                recovery.append(time.monotonic() - restored)
            return recovery
        wait_until("the responses have offers again", has_recovered)
        responses = load.stop()
        assert set(count_statuses(responses)) == {200}, count_statuses(responses)
        first = [seconds for start, seconds, _, _ in responses if interrupted <= start < interrupted + 1]
        open_circuit = [(seconds, body) for start, seconds, _, body in responses
                        if interrupted + 1 <= start < restored - 0.1]
        assert open_circuit and all(b"OFFERS_UNAVAILABLE" in body for _, body in open_circuit)
        assert max(first) <= 0.5, f"first {max(first):.3f} s"
        p99 = percentile([seconds for seconds, _ in open_circuit], 0.99)
        assert p99 <= 0.02, f"open circuit {p99:.3f} s"
        assert recovery[0] <= 2, recovery
        return (f"first at most {max(first) * 1000:.0f} ms, open circuit p99 {p99 * 1000:.1f} ms of "
                f"{len(open_circuit)}, offers again after {recovery[0]:.2f} s")


def users_are_served_while_offers_api_is_killed():
    def restore(stack):
        stack.start("offers-1")
        stack.wait_until_ready("offers-1")
    return serve_users_without_offers(lambda stack: stack.services["offers-1"].stop(), restore)


def users_are_served_while_offers_api_is_stopped():
    def send(number):
        return lambda stack: stack.services["offers-1"].child.send_signal(number)
    return serve_users_without_offers(send(signal.SIGSTOP), send(signal.SIGCONT))


run_checks(services_recover_from_a_database_restart, services_recover_from_an_immediate_database_restart,
           services_recover_from_a_read_only_database, users_are_served_while_offers_api_is_killed,
           users_are_served_while_offers_api_is_stopped)
