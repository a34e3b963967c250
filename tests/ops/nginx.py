"""What nginx does with requests: routes, what stays inside, which are tried twice."""

import base64
import json
import os
import socket
import ssl
import threading
import traceback
import warnings

from stack import Nginx, Stack, free_port, send, until

REST = "/user/registry/"
QUERY = {"query": "{ __typename }"}


def routes(stack):
    status, headers, body = stack.ask(None, "POST", REST, {
        "username": "ann", "password": "correct horse", "email": "ann@example.org"})
    assert status == 201, body
    user = json.loads(body)["id"]
    offer = {"user_id": user, "title": "chair", "text": "old"}
    for method, path, body, expected in [
        ("GET", "/", None, 200),
        ("GET", f"/user/{user}/", None, 200),
        ("GET", "/user/ann", None, 200),
        ("GET", "/user/", None, 200),
        ("GET", "/user/nobody/", None, 404),
        ("POST", "/user/auth/", {"username": "ann", "password": "correct horse"}, 200),
        ("POST", "/user/auth/", {"username": "ann", "password": "wrong"}, 401),
        ("POST", "/offer/create/", offer, 201),
        ("POST", "/offer/create", offer, 201),
        ("POST", "/offer/", {"user_id": user}, 200),
        ("POST", "/offer", {}, 422),
        ("PUT", "/offer/", {}, 405),
        ("POST", "/graphql", QUERY, 200),
        ("POST", "/offers/graphql", QUERY, 200),
        ("GET", "/offers/graphql?query=%7B__typename%7D", None, 200),
        ("GET", "/docs", None, 200),
        ("GET", "/openapi.json", None, 200),
        ("GET", "/offers/docs", None, 200),
        ("GET", "/offers/openapi.json", None, 200),
        ("GET", "/assets/page.css", None, 200),
        ("GET", "/.well-known/jwks.json", None, 200),
    ]:
        status, _, answer = stack.ask(None, method, path, body)
        assert status == expected, (method, path, status, answer)
    offers = json.loads(stack.ask(None, "GET", "/user/ann/")[2])["offers"]
    assert [offer["title"] for offer in offers] == ["chair", "chair"]
    schema = json.loads(stack.ask(None, "GET", "/offers/openapi.json")[2])
    assert "/offer/" in schema["paths"]
    offer = offers[0]["id"]
    assert json.loads(stack.ask(None, "POST", "/offer/", {"offer_id": offer})[2])["id"] == offer


def sessions(stack):
    bea = {"username": "bea", "password": "correct horse"}
    status, headers, body = stack.ask(None, "POST", "/user/", bea)
    assert status == 201, body
    path = headers["Location"]

    def ask(method, path, body=None, token=None, expected=200):
        headers = {"Authorization": f"Bearer {token}"} if token else None
        status, _, answer = stack.ask(None, method, path, body, headers)
        assert status == expected, (method, path, status, answer)
        return json.loads(answer) if answer else None

    session = ask("POST", "/user/auth/", bea)
    session = ask("POST", "/user/refresh/", {"refresh_token": session["refresh_token"]})
    change = {"old_password": "correct horse", "new_password": "another horse"}
    ask("POST", "/user/password/", change, expected=401)
    ask("POST", "/user/password/", change, session["access_token"], 204)
    refresh = {"refresh_token": session["refresh_token"]}
    ask("POST", "/user/refresh/", refresh, expected=401)
    ask("POST", "/user/logout/", refresh, expected=204)
    session = ask("POST", "/user/auth/", {**bea, "password": "another horse"})
    token = session["access_token"]
    assert ask("PATCH", path, {"email": "bea@example.org"}, token)["email"] == "bea@example.org"
    ask("DELETE", "/user/bea/", None, token, 204)
    ask("GET", path, expected=404)


def inside_stays_inside(stack):
    for path in ["/metrics", "/metrics/", "/health/live", "/health/ready", "/offers/metrics",
                 "/offers/health/live", "/offers/user/", "/userx", "/offers", "//metrics",
                 "/user/../metrics", "/%6detrics"]:
        status, headers, body = stack.ask(None, "GET", path)
        problem(404, "NOT_FOUND", status, headers, body)


def http_leads_to_https(stack):
    with socket.create_connection(("127.0.0.1", stack.plain)) as plain:
        plain.sendall(b"POST /user/auth/?a=b HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answer = plain.makefile("rb").read().decode()
    assert answer.startswith("HTTP/1.1 308"), answer
    assert f"Location: https://localhost:{stack.edge}/user/auth/?a=b\r\n" in answer, answer


def http_2_and_headers(stack):
    context = stack.trust()
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", stack.edge)) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            assert secure.selected_alpn_protocol() == "h2"
    for host, expected in [("localhost", None), ("example.org", "max-age=31536000")]:
        for path in ["/user/", "/metrics"]:
            _, headers, _ = stack.ask(None, "GET", path, headers={"Host": host})
            assert headers["Strict-Transport-Security"] == expected, (host, path)
            assert headers["Server"] == "nginx"
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(stack.folder / "certs/ca.pem")
    old.set_ciphers("ALL:@SECLEVEL=0")
    # That nobody should offer these versions is the point.
    warnings.simplefilter("ignore", DeprecationWarning)
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", stack.edge)) as plain:
        try:
            old.wrap_socket(plain, server_hostname="localhost")
            raise AssertionError("TLS 1.1 is spoken")
        except ssl.SSLError:
            pass


def web_sockets(stack):
    for path in ["/graphql/ws", "/offers/graphql/ws"]:
        with socket.create_connection(("127.0.0.1", stack.edge)) as plain:
            plain.settimeout(10)
            with stack.trust().wrap_socket(plain, server_hostname="localhost") as secure:
                key = base64.b64encode(os.urandom(16)).decode()
                secure.sendall((
                    f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
                    f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}"
                    "\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n").encode())
                stream = secure.makefile("rb")
                assert b" 101 " in stream.readline(), path
                while stream.readline().strip():
                    pass
                text = b'{"type":"connection_init"}'
                # A client masks what it sends (RFC 6455, section 5.3), with zeros if it likes.
                secure.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
                head = stream.read(2)
                assert json.loads(stream.read(head[1]))["type"] == "connection_ack"


def both_instances_serve(stack):
    for route, path, names in [("/user/{user}", "/user/ann/", ("users-1", "users-2")),
                               ("/offer", "/offer/", ("offers-1", "offers-2"))]:
        before = [stack.served(name, route) for name in names]
        for _ in range(20):
            method, body = ("GET", None) if path == "/user/ann/" else ("POST", {"user_id": 1})
            assert stack.ask(None, method, path, body)[0] == 200
        after = [stack.served(name, route) for name in names]
        gains = [b - a for a, b in zip(before, after)]
        assert sum(gains) == 20 and min(gains) >= 5, (route, gains)


class Broken:
    """Takes a request over TLS and closes without an answer."""

    def __init__(self, stack):
        self.seen = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certs = stack.folder / "certs"
        self.context.load_cert_chain(certs / "server.pem", certs / "server.key")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            plain, _ = self.listener.accept()
            try:
                with self.context.wrap_socket(plain, server_side=True) as secure:
                    self.seen.append(secure.recv(65536).split(b" ", 1)[0].decode())
            except OSError:
                continue


def one_more_try_for_what_is_idempotent(stack):
    broken = Broken(stack)
    real = {name: f"127.0.0.1:{port}" for name, port in stack.ports.items()}
    edge = free_port()
    nginx = Nginx(stack, {**real, "users-1": broken.address}, "half", edge, free_port())
    try:
        def sent(method, path, body=None):
            """Repeats until the broken instance got one: the answer to that."""
            before = len(broken.seen)
            found = []

            def ask():
                found[:] = [stack.ask(edge, method, path, body)]
                return len(broken.seen) > before or found[0][0] == 503
            until(f"{method} meets the broken instance", ask)
            assert broken.seen[before:] == [method], broken.seen
            return found[0]
        for method in ["GET", "HEAD"]:
            assert sent(method, "/user/ann/")[0] == 200
        # Nobody can know whether it was done.
        problem(503, "BUSY", *sent("POST", "/user/auth/", {"username": "ann", "password": "x"}))
        problem(503, "BUSY", *sent("PATCH", "/user/ann/", {"email": "a@example.org"}))
    finally:
        nginx.end()
    both = Nginx(stack, {**real, "users-1": broken.address, "users-2": broken.address}, "none",
                 edge := free_port(), free_port())
    try:
        before = len(broken.seen)
        problem(503, "BUSY", *stack.ask(edge, "GET", "/user/ann/"))
        assert len(broken.seen) == before + 2
    finally:
        both.end()


def limits(stack):
    large = json.dumps({"username": "x" * 300_000})
    status, headers, body = stack.ask(None, "POST", REST, large)
    problem(413, "PAYLOAD_TOO_LARGE", status, headers, body)
    status, headers, body = stack.ask(None, "POST", REST, "x" * 1_100_000)
    problem(413, "PAYLOAD_TOO_LARGE", status, headers, body)
    connection = stack.connect()
    found = [send(connection, "POST", "/user/auth/", {}) for _ in range(400)]
    refused = [answer for answer in found if answer[0] == 429]
    assert len(found) - len(refused) >= 200, len(refused)
    assert refused, "400 attempts in a row are let through"
    problem(429, "TOO_MANY_REQUESTS", *refused[0])
    # What is no attempt at a password goes on.
    assert send(connection, "GET", "/user/ann/")[0] == 200


def problem(expected, code, status, headers, body):
    assert status == expected, (status, body)
    assert headers["Content-Type"] == "application/problem+json", headers["Content-Type"]
    found = json.loads(body)
    assert (found["status"], found["code"]) == (expected, code), found
    assert expected in (404, 413) or headers["Retry-After"] == "1"


def main():
    passed = failed = 0
    with Stack() as stack:
        for test in [routes, sessions, inside_stays_inside, http_leads_to_https, http_2_and_headers,
                     web_sockets, both_instances_serve, one_more_try_for_what_is_idempotent,
                     limits]:
            try:
                test(stack)
                passed += 1
                print(f"ok {test.__name__}")
            except Exception:
                failed += 1
                traceback.print_exc()
                print(f"FAILED {test.__name__}")
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    raise SystemExit(main())
