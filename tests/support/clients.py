"""HTTP clients, a load at a steady rate, and what summarises the responses."""

import asyncio
import base64
import http.client
import itertools
import json
import os
import ssl
import threading
import time

REQUEST_TIMEOUT = 30


def send(connection, method, path, body=None, headers=None):
    """Sends a request on an open connection, and returns status, headers and body."""
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
    headers = {**({"Content-Type": "application/json"} if body else {}), **(headers or {})}
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, response.headers, response.read()


class HttpsClient:
    """Sends requests over HTTPS to ports of localhost. A subclass sets `nginx_port`, which is the
    default, and `folder`, where certs/ca.pem is."""

    def tls_context(self):
        return ssl.create_default_context(cafile=self.folder / "certs/ca.pem")

    def connect(self, port=None):
        return http.client.HTTPSConnection("localhost", port or self.nginx_port, timeout=REQUEST_TIMEOUT,
                                           context=self.tls_context())

    def request(self, method, path, body=None, headers=None, port=None):
        """Sends a request on a new connection, and returns status, headers and body."""
        connection = self.connect(port)
        try:
            return send(connection, method, path, body, headers)
        finally:
            connection.close()

    def status(self, method, path, port=None):
        """Sends a request, and returns the status, or None if there was no response."""
        try:
            return self.request(method, path, port=port)[0]
        except (OSError, http.client.HTTPException):
            return None

    def register(self, username="ann", password="correct horse", port=None):
        """Registers a user, and returns the id."""
        user = {"username": username, "password": password, "email": f"{username}@example.org"}
        status, _, body = self.request("POST", "/user/registry/", user, port=port)
        assert status == 201, body
        return json.loads(body)["id"]

    def log_in(self, username="ann", password="correct horse", port=None):
        """Logs in, and returns the session."""
        status, _, body = self.request("POST", "/user/auth/", {"username": username, "password": password}, port=port)
        assert status == 200, body
        return json.loads(body)


class AsyncClient:
    """One plain HTTP connection that is kept alive, and opened again after it was closed. It sends
    any bytes, also malformed ones. `source` is the loopback address to connect from."""

    def __init__(self, address, source="127.0.0.1"):
        self.address, self.source = address, source
        self.reader = self.writer = None

    async def open(self):
        self.reader, self.writer = await asyncio.open_connection(*self.address, local_addr=(self.source, 0))

    def close(self):
        if self.writer:
            self.writer.close()
        self.reader = self.writer = None

    @staticmethod
    def encode(method, path, body=None, headers=()):
        """Returns the bytes of a request."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "host: test", f"content-length: {len(data)}"]
        if body is not None and not any(name == "content-type" for name, _ in headers):
            lines.append("content-type: application/json")
        lines += [f"{name}: {value}" for name, value in headers]
        return "\r\n".join([*lines, "", ""]).encode() + data

    async def request(self, method, path, body=None, headers=()):
        """Returns status, headers and body. Retries once if a kept connection turns out to be closed."""
        kept = self.writer is not None
        try:
            return await self._request_once(method, path, body, headers)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.close()
            if not kept:
                raise
            return await self._request_once(method, path, body, headers)

    async def _request_once(self, method, path, body, headers):
        if self.writer is None:
            await self.open()
        self.writer.write(self.encode(method, path, body, headers))
        status = 100
        while status == 100:
            head = await self.reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            status = int(lines[0].split()[1])
        fields = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:] if line)}
        content = b""
        if fields.get("transfer-encoding") == "chunked":
            while size := int(await self.reader.readline(), 16):
                content += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readline()
        elif status not in (204, 304):
            content = await self.reader.readexactly(int(fields.get("content-length", 0)))
        if fields.get("connection") == "close":
            self.close()
        return status, fields, content

    async def request_json(self, method, path, body=None):
        """Returns the status and the decoded body."""
        status, _, content = await self.request(method, path, body)
        return status, json.loads(content) if content else None

    async def log_in(self, username, password="demo"):
        """Logs in, and returns the session."""
        status, session = await self.request_json(
            "POST", "/user/auth/", {"username": username, "password": password})
        assert status == 200, session
        return session


class GraphqlSocket:
    """A WebSocket with the protocol graphql-transport-ws (RFC 6455)."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, address, source="127.0.0.1"):
        """Opens and initialises a connection."""
        reader, writer = await asyncio.open_connection(*address, local_addr=(source, 0))
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET /graphql/ws HTTP/1.1", f"host: {address[0]}:{address[1]}", "connection: upgrade",
                 "upgrade: websocket", "sec-websocket-version: 13", f"sec-websocket-key: {key}",
                 "sec-websocket-protocol: graphql-transport-ws", "", ""]
        writer.write("\r\n".join(lines).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in head, head
        socket = cls(reader, writer)
        socket.send({"type": "connection_init"})
        assert (await socket.receive())["type"] == "connection_ack"
        return socket

    def send(self, message):
        data, mask = json.dumps(message).encode(), os.urandom(4)
        size = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0xFE]) + len(data).to_bytes(2)
        self.writer.write(b"\x81" + size + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    async def receive(self):
        """Returns the next text message."""
        while True:
            opcode, size = await self.reader.readexactly(2)
            if size >= 126:
                size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
            data = await self.reader.readexactly(size)
            if opcode & 15 == 1:
                return json.loads(data)

    async def execute(self, query, variables):
        """Runs a query or a mutation, and returns its response."""
        self.send({"type": "subscribe", "id": "1", "payload": {"query": query, "variables": variables}})
        result = await self.receive()
        if result["type"] == "next":
            await self.receive()
            return result["payload"]
        return {"errors": result["payload"]}

    def close(self):
        self.writer.close()


class Load:
    """Sends requests at a steady rate until it is stopped. `request(n)` returns method, path, body
    and headers of the n-th request. `responses` holds for each request: when it was sent, how long it
    took, the status (0 if there was no response), and the body."""

    def __init__(self, client, request, rate=200, threads=24, port=None):
        self.client, self.request, self.port = client, request, port
        self.responses, self.running = [], True
        self.numbers, self.lock = itertools.count(), threading.Lock()
        self.start, self.interval = time.monotonic(), 1 / rate
        self.threads = [threading.Thread(target=self._send_requests) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def _send_requests(self):
        connection = self.client.connect(self.port)
        while self.running:
            with self.lock:
                number = next(self.numbers)
            due = self.start + number * self.interval
            while self.running and (wait := due - time.monotonic()) > 0:
                time.sleep(min(wait, 0.2))
            if not self.running:
                break
            start = time.monotonic()
            try:
                status, _, body = send(connection, *self.request(number))
            except (OSError, http.client.HTTPException) as error:
                status, body = 0, repr(error).encode()
                connection.close()
                connection = self.client.connect(self.port)
            self.responses.append((start, time.monotonic() - start, status, body))
        connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Stops after the requests that are under way, and returns the responses."""
        self.running = False
        for thread in self.threads:
            thread.join()
        return self.responses


def count_statuses(responses):
    """Returns the number of responses of each status."""
    counts = {}
    for _, _, status, _ in responses:
        counts[status] = counts.get(status, 0) + 1
    return dict(sorted(counts.items()))


def seconds_to_last_failure(responses, moment):
    """Returns how many seconds after a moment the last failed request was sent, 0 if none failed."""
    failures = [start for start, _, status, _ in responses
                if start > moment and (status >= 500 or status == 0)]
    return max(failures, default=moment) - moment


def percentile(values, fraction):
    """Returns the value that this fraction of the values is below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * fraction))]
