"""What the scripts here share: services on a throw-away PostgreSQL, and a small HTTP client.

The binaries are those of `cargo build --workspace`; PROFILE=release takes the optimised ones, where
they are built.
"""

import asyncio
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def binary(name):
    """Where a binary of this workspace is."""
    optimised = TARGET / os.environ.get("PROFILE", "debug") / name
    return optimised if optimised.exists() else TARGET / "debug" / name


class Service:
    """A running binary of this workspace."""

    def __init__(self, name, folder, settings, limit=None):
        command = [str(binary(name))]
        if limit:
            command = ["bash", "-c", f'ulimit -v {limit}; exec "$0"', *command]
        env = {"PATH": os.environ["PATH"], "HTTP_ADDR": "127.0.0.1:0", **settings}
        self.log = open(folder / f"{name}-{id(self)}.log", "w+")
        self.process = subprocess.Popen(
            command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        self.urls = {}
        wanted = (settings.get("HTTP_ADDR") != "off") + ("HTTPS_ADDR" in settings)
        while len(self.urls) < wanted:
            line = self.process.stdout.readline()
            if not line:
                sys.exit(f"{name} did not start:\n{self.logged()}")
            scheme, _, address = line.split()[1].partition("://")
            host, _, port = address.rpartition(":")
            self.urls[scheme] = (host, int(port))

    def logged(self):
        self.log.flush()
        return pathlib.Path(self.log.name).read_text()

    def rss(self):
        """Resident memory, in MiB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def cpu(self):
        """Seconds of processor time so far."""
        times = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Stack:
    """Both services, and as many instances of users-api as are asked for."""

    def __init__(self, users=1, settings=None, users_settings=None, limit=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="classifieds-load."))
        self.folder.chmod(0o755)
        self.running = []
        started = subprocess.run(
            [ROOT / "tests/postgres", "start", self.folder / "postgres"],
            check=True, capture_output=True, text=True,
        )
        base = {"DATABASE_URL": started.stdout.strip(), "LOG": "warn,events=off", **(settings or {})}
        self.base = base
        self.run("migration", "up")
        probe = self.add("offers-api", {**base, "JWKS_URL": "http://127.0.0.1:1/"}, None)
        offers = "http://{}:{}".format(*probe.urls["http"])
        more = {**base, "OFFERS_URL": offers, **(users_settings or {})}
        self.users = [self.add("users-api", more, limit) for _ in range(users)]
        # Started anew where it was, now that it is known where the keys are.
        probe.stop()
        jwks = "http://{}:{}/.well-known/jwks.json".format(*self.users[0].urls["http"])
        host, port = probe.urls["http"]
        settings = {**base, "JWKS_URL": jwks, "HTTP_ADDR": f"{host}:{port}"}
        self.offers = self.add("offers-api", settings, limit)

    def add(self, name, settings, limit):
        service = Service(name, self.folder, settings, limit)
        self.running.append(service)
        return service

    def run(self, name, *arguments):
        env = {"PATH": os.environ["PATH"], **self.base}
        subprocess.run(
            [binary(name), *arguments], cwd=self.folder, env=env, check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )

    def psql(self, query):
        """Rows of text; the server trusts its socket."""
        program = shutil.which("psql") or next(pathlib.Path("/usr/lib/postgresql").glob("*/bin/psql"))
        command = [program, "-XAtc", query, self.base["DATABASE_URL"]]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for service in self.running:
            service.stop()
        subprocess.run([ROOT / "tests/postgres", "stop", self.folder / "postgres"], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)


class Client:
    """One connection that is kept alive, and opened again where it was closed."""

    def __init__(self, address, ca=None):
        self.address = address
        self.tls = ssl.create_default_context(cafile=ca) if ca else None
        self.reader = self.writer = None

    async def open(self):
        self.reader, self.writer = await asyncio.open_connection(*self.address, ssl=self.tls)

    def close(self):
        if self.writer:
            self.writer.close()
        self.reader = self.writer = None

    @staticmethod
    def bytes(method, path, body=None, headers=()):
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "host: test", f"content-length: {len(data)}"]
        if body is not None and not any(name == "content-type" for name, _ in headers):
            lines.append("content-type: application/json")
        lines += [f"{name}: {value}" for name, value in headers]
        return "\r\n".join([*lines, "", ""]).encode() + data

    async def request(self, method, path, body=None, headers=()):
        """Status, headers and body. A kept connection that has died is tried anew, once."""
        kept = self.writer is not None
        try:
            return await self.once(method, path, body, headers)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.close()
            if not kept:
                raise
            return await self.once(method, path, body, headers)

    async def once(self, method, path, body, headers):
        if self.writer is None:
            await self.open()
        self.writer.write(self.bytes(method, path, body, headers))
        status = 100
        while status == 100:
            head = await self.reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            status = int(lines[0].split()[1])
        found = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:] if line)}
        content = b""
        if found.get("transfer-encoding") == "chunked":
            while size := int(await self.reader.readline(), 16):
                content += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readline()
        elif status not in (204, 304):
            content = await self.reader.readexactly(int(found.get("content-length", 0)))
        if found.get("connection") == "close":
            self.close()
        return status, found, content

    async def json(self, method, path, body=None, headers=()):
        """Status and what the body says."""
        status, _, content = await self.request(method, path, body, headers)
        return status, json.loads(content) if content else None


def percentile(values, part):
    """The value that this part of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


class Checks:
    """Counts what came out as promised; the last line is for tests/run."""

    def __init__(self):
        self.passed = self.failed = 0

    def that(self, good, what):
        print(("ok    " if good else "FAILED") + f" {what}", flush=True)
        self.passed += bool(good)
        self.failed += not good

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(self.failed > 0)
