"""nginx in front of two instances of each service: routes, internal addresses, retries and limits."""

import base64
import http.client
import json
import os
import socket
import ssl
import sys
import threading
import warnings

sys.path.append(f"{sys.path[0]}/../support")
from checks import Checks
from clients import send
from services import Nginx, Stack, free_port, wait_until

QUERY = {"query": "{ __typename }"}


def routes_reach_their_service(stack):
    user = stack.register()
    offer = {"user_id": user, "title": "chair", "text": "old"}
    for method, path, body, expected in [
        ("GET", "/", None, 200),
        ("GET", f"/user/{user}/", None, 200),
        ("GET", "/user/ann", None, 200),
        ("GET", "/user/", None, 200),
        ("GET", "/user/unknown/", None, 404),
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
        status, _, response = stack.request(method, path, body)
        assert status == expected, (method, path, status, response)
    offers = json.loads(stack.request("GET", "/user/ann/")[2])["offers"]
    assert [offer["title"] for offer in offers] == ["chair", "chair"]
    schema = json.loads(stack.request("GET", "/offers/openapi.json")[2])
    assert "/offer/" in schema["paths"]
    offer = offers[0]["id"]
    assert json.loads(stack.request("POST", "/offer/", {"offer_id": offer})[2])["id"] == offer


def sessions_work(stack):
    bea = {"username": "bea", "password": "correct horse"}
    status, headers, body = stack.request("POST", "/user/", bea)
    assert status == 201, body
    path = headers["Location"]

    def request(method, path, body=None, token=None, expected=200):
        headers = {"Authorization": f"Bearer {token}"} if token else None
        status, _, response = stack.request(method, path, body, headers)
        assert status == expected, (method, path, status, response)
        return json.loads(response) if response else None

    session = request("POST", "/user/auth/", bea)
    session = request("POST", "/user/refresh/", {"refresh_token": session["refresh_token"]})
    change = {"old_password": "correct horse", "new_password": "another horse"}
    request("POST", "/user/password/", change, expected=401)
    request("POST", "/user/password/", change, session["access_token"], 204)
    refresh = {"refresh_token": session["refresh_token"]}
    request("POST", "/user/refresh/", refresh, expected=401)
    request("POST", "/user/logout/", refresh, expected=204)
    session = request("POST", "/user/auth/", {**bea, "password": "another horse"})
    token = session["access_token"]
    assert request("PATCH", path, {"email": "bea@example.org"}, token)["email"] == "bea@example.org"
    request("DELETE", "/user/bea/", None, token, 204)
    request("GET", path, expected=404)


def internal_addresses_return_404(stack):
    for path in ["/metrics", "/metrics/", "/health/live", "/health/ready", "/offers/metrics",
                 "/offers/health/live", "/offers/user/", "/userx", "/offers", "//metrics",
                 "/user/../metrics", "/%6detrics"]:
        status, headers, body = stack.request("GET", path)
        assert_problem(404, "NOT_FOUND", status, headers, body)


def send_plainly(stack, method, path, host="localhost", port=None):
    """Sends a request by plain HTTP, and returns status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port or stack.plain_port, timeout=10)
    try:
        return send(connection, method, path, headers={"Host": host})
    finally:
        connection.close()


def plain_http_redirects_pages_only(stack):
    for method in ["GET", "HEAD"]:
        for path in ["/", "/docs", "/graphql", "/graphql/", "/offers/docs", "/offers/graphql"]:
            status, headers, _ = send_plainly(stack, method, path)
            expected = f"https://localhost:{stack.nginx_port}{path}"
            assert (status, headers["Location"]) == (308, expected), (method, path, status)
            assert headers["Strict-Transport-Security"] is None
    for method, path in [("POST", "/user/auth/?a=b"), ("POST", "/"), ("POST", "/graphql"), ("GET", "/user/1/"),
                         ("GET", "/graphql?query=%7Bme%7Bid%7D%7D"), ("GET", "/graphql/ws"), ("GET", "/metrics")]:
        status, headers, body = send_plainly(stack, method, path)
        assert_problem(403, "FORBIDDEN", status, headers, body)
        assert headers["Location"] is None, (method, path)
    assert_problem(403, "FORBIDDEN", *send_plainly(stack, "GET", "/user/1/", port=stack.nginx_port))


def other_hosts_are_rejected(stack):
    for host in ["evil.example", "classifieds.example.evil.example", "192.0.2.1", "[2001:db8::1]:443"]:
        for path in ["/", "/user/auth/", "/metrics"]:
            assert_problem(421, "BAD_REQUEST", *send_plainly(stack, "GET", path, host))
            assert_problem(421, "BAD_REQUEST", *stack.request("POST", path, {}, {"Host": host}))
    for host in [f"localhost:{stack.nginx_port}", "127.0.0.1", "[::1]", "LOCALHOST"]:
        assert stack.request("GET", "/docs", headers={"Host": host})[0] == 200, host


def malformed_requests_return_a_problem(stack):
    for expected, code, request in [
        (400, "BAD_REQUEST", "GET / HTTP/1.1\r\n\r\n"),
        (400, "BAD_REQUEST", "GET  / / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        (405, "METHOD_NOT_ALLOWED", "TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        (414, "BAD_REQUEST", f"GET /{'x' * 20_000} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        (431, "BAD_REQUEST", f"GET / HTTP/1.1\r\nHost: localhost\r\nA: {'x' * 20_000}\r\n\r\n"),
        (505, "INTERNAL", "GET / HTTP/3.0\r\nHost: localhost\r\n\r\n"),
    ]:
        with socket.create_connection(("127.0.0.1", stack.nginx_port)) as plain:
            with stack.tls_context().wrap_socket(plain, server_hostname="localhost") as secure:
                secure.sendall(request.encode())
                response = http.client.HTTPResponse(secure)
                response.begin()
                assert_problem(expected, code, response.status, response.headers, response.read(), request[:40])


def http_2_and_security_headers_are_sent(stack):
    context = stack.tls_context()
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", stack.nginx_port)) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            assert secure.selected_alpn_protocol() == "h2"
    year = "max-age=31536000; includeSubDomains"
    for host, expected in [("localhost", None), ("classifieds.example", year)]:
        for path in ["/user/", "/metrics"]:
            _, headers, _ = stack.request("GET", path, headers={"Host": host})
            assert headers["Strict-Transport-Security"] == expected, (host, path)
            assert headers["Server"] == "nginx"
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(stack.folder / "certs/ca.pem")
    old.set_ciphers("ALL:@SECLEVEL=0")
    # Python warns of these versions, which are what is tested.
    warnings.simplefilter("ignore", DeprecationWarning)
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", stack.nginx_port)) as plain:
        try:
            old.wrap_socket(plain, server_hostname="localhost")
            raise AssertionError("TLS 1.1 is accepted")
        except ssl.SSLError:
            pass


def web_sockets_are_proxied(stack):
    for path in ["/graphql/ws", "/offers/graphql/ws"]:
        with socket.create_connection(("127.0.0.1", stack.nginx_port)) as plain:
            plain.settimeout(10)
            with stack.tls_context().wrap_socket(plain, server_hostname="localhost") as secure:
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
                # A client masks what it sends (RFC 6455, section 5.3); zeros are a valid mask.
                secure.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
                head = stream.read(2)
                assert json.loads(stream.read(head[1]))["type"] == "connection_ack"


def both_instances_receive_requests(stack):
    for route, path, names in [("/user/{user}", "/user/ann/", ("users-1", "users-2")),
                               ("/offer", "/offer/", ("offers-1", "offers-2"))]:
        before = [stack.requests_served(name, route) for name in names]
        for _ in range(20):
            method, body = ("GET", None) if path == "/user/ann/" else ("POST", {"user_id": 1})
            assert stack.request(method, path, body)[0] == 200
        after = [stack.requests_served(name, route) for name in names]
        gains = [b - a for a, b in zip(before, after)]
        assert sum(gains) == 20 and min(gains) >= 5, (route, gains)


class BrokenServer:
    """Accepts requests over TLS, and closes each connection without a response."""

    def __init__(self, stack):
        self.methods = []
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
                    self.methods.append(secure.recv(65536).split(b" ", 1)[0].decode())
            except OSError:
                continue


def only_idempotent_requests_are_retried(stack):
    broken = BrokenServer(stack)
    real = stack.addresses()
    port = free_port()
    nginx = Nginx(stack, {**real, "users-api": [broken.address, real["users-api"][1]]}, "half", port, free_port())
    try:
        def send_to_broken(method, path, body=None):
            """Repeats a request until the broken server receives it, and returns the response to that."""
            before = len(broken.methods)
            responses = []

            def has_reached():
                responses.append(stack.request(method, path, body, port=port))
                return len(broken.methods) > before or responses[-1][0] == 503
            wait_until(f"{method} reaches the broken server", has_reached)
            assert broken.methods[before:] == [method], broken.methods
            return responses[-1]
        for method in ["GET", "HEAD"]:
            assert send_to_broken(method, "/user/ann/")[0] == 200
        # These may have been done, so they must not be sent twice.
        assert_problem(503, "BUSY", *send_to_broken("POST", "/user/auth/", {"username": "ann", "password": "x"}))
        assert_problem(503, "BUSY", *send_to_broken("PATCH", "/user/ann/", {"email": "a@example.org"}))
    finally:
        nginx.stop()
    both = Nginx(stack, {**real, "users-api": [broken.address] * 2}, "none", port := free_port(), free_port())
    try:
        before = len(broken.methods)
        assert_problem(503, "BUSY", *stack.request("GET", "/user/ann/", port=port))
        assert len(broken.methods) == before + 2
    finally:
        both.stop()


def serve_dns(addresses):
    """Answers every question with the current addresses, and returns the address of the server."""
    server = socket.socket(type=socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def serve():
        while True:
            query, client = server.recvfrom(512)
            question = query[12:query.index(b"\0", 12) + 5]
            # Each record: the name of the question, type A, class IN, a day to live, 4 bytes.
            records = [b"\xc0\x0c\0\1\0\1\0\1\x51\x80\0\4" + socket.inet_aton(address) for address in addresses]
            head = query[:2] + b"\x81\x80\0\1" + len(records).to_bytes(2) + bytes(4)
            server.sendto(head + question + b"".join(records), client)
    threading.Thread(target=serve, daemon=True).start()
    return "127.0.0.1:%d" % server.getsockname()[1]


def instances_are_found_as_they_come_and_go(stack):
    addresses = ["127.0.0.1"]
    port = free_port()
    nginx = Nginx(stack, {}, "names", port, free_port(), RESOLVER=serve_dns(addresses),
                  USERS_API=f"users-api:{stack.ports['users-1']}", OFFERS_API=f"offers-api:{stack.ports['offers-1']}")

    def status():
        return stack.status("GET", "/user/ann/", port)
    try:
        assert status() == 200
        # No instance listens at these.
        addresses[:] = ["127.0.0.2"]
        wait_until("the old address is not used", lambda: status() == 503)
        addresses[:] = ["127.0.0.2", "127.0.0.1", "127.0.0.3"]
        wait_until("the new addresses are used", lambda: status() == 200)
        statuses = {stack.request("POST", "/user/auth/", {"username": "ann", "password": "correct horse"}, port=port)[0]
                    for _ in range(20)}
        assert statuses == {200}, statuses
    finally:
        nginx.stop()


def large_bodies_return_413(stack):
    large = json.dumps({"username": "x" * 300_000})
    status, headers, body = stack.request("POST", "/user/registry/", large)
    assert_problem(413, "PAYLOAD_TOO_LARGE", status, headers, body)
    status, headers, body = stack.request("POST", "/user/registry/", "x" * 1_100_000)
    assert_problem(413, "PAYLOAD_TOO_LARGE", status, headers, body)
    # The length of a body that is sent in chunks is not known before.
    status, headers, body = stack.request("POST", "/user/registry/", iter([b"x" * 20_000] * 20))
    assert_problem(413, "PAYLOAD_TOO_LARGE", status, headers, body)


def credentials_and_writes_are_limited(stack):
    """Without instances, so that a slow machine does not keep the limits."""
    port = free_port()
    nobody = f"127.0.0.1:{free_port()}"
    nginx = Nginx(stack, {}, "limits", port, free_port(), USERS_API=nobody, OFFERS_API=nobody)
    try:
        connection = stack.connect(port)

        def send_until_429(method, path):
            for count in range(5000):
                response = send(connection, method, path)
                if response[0] == 429:
                    assert_problem(429, "TOO_MANY_REQUESTS", *response)
                    return count
                assert response[0] == 503, (method, path, response)
            raise AssertionError(f"{method} {path} is not limited")
        assert send_until_429("POST", "/user/auth/") >= 200
        # These share the limit, which has been used up.
        for path in ["/user/", "/user", "/user/refresh", "/user/%61uth/", "/user/registry", "/user/password/"]:
            send_until_429("POST", path)
        assert send(connection, "PATCH", "/user/1/")[0] == 503
        send_until_429("POST", "/graphql")
        for method, path in [("PATCH", "/user/1/"), ("DELETE", "/offer/1/"), ("POST", "/offers/graphql")]:
            send_until_429(method, path)
        assert send(connection, "GET", "/user/1/")[0] == 503
    finally:
        nginx.stop()


def connections_of_an_address_are_limited(stack):
    opened = []
    try:
        for _ in range(140):
            connection = stack.connect()
            opened.append(connection)
            # Half of a request occupies the connection.
            connection.putrequest("POST", "/offer/")
            connection.putheader("Content-Length", "100")
            connection.endheaders(b"{")
        assert_problem(429, "TOO_MANY_REQUESTS", *stack.request("GET", "/user/ann/"))
    finally:
        for connection in opened:
            connection.close()
    wait_until("the connections are closed", lambda: stack.status("GET", "/user/ann/") == 200)


def assert_problem(expected, code, status, headers, body, request=""):
    assert status == expected, (request, status, body)
    assert headers["Content-Type"] == "application/problem+json", headers["Content-Type"]
    assert headers["X-Content-Type-Options"] == "nosniff", headers
    fields = json.loads(body)
    assert (fields["status"], fields["code"]) == (expected, code), fields
    assert expected not in (429, 503) or headers["Retry-After"] == "1"
    assert expected != 405 or "POST" in headers["Allow"]


# The checks that also hold for the containers.
CONTRACT = [routes_reach_their_service, sessions_work, internal_addresses_return_404, plain_http_redirects_pages_only,
            other_hosts_are_rejected, malformed_requests_return_a_problem, http_2_and_security_headers_are_sent,
            web_sockets_are_proxied, connections_of_an_address_are_limited, large_bodies_return_413]

if __name__ == "__main__":
    checks = Checks()
    with Stack() as stack:
        for check in [*CONTRACT, both_instances_receive_requests, only_idempotent_requests_are_retried,
                      instances_are_found_as_they_come_and_go, credentials_and_writes_are_limited]:
            checks.run(check, stack)
    checks.finish()
