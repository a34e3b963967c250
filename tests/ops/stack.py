"""Two instances of each service behind nginx, on loopback: the real binaries, the real nginx
configuration, HTTPS on every way."""

import http.client
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# BINARIES is another folder with them, PROFILE=release takes the optimised ones.
BINARIES = Path(os.environ.get("BINARIES") or
                ROOT / "target" / os.environ.get("PROFILE", "debug"))
PATIENCE = 30


def until(what, ask, limit=PATIENCE):
    """Asks again and again until there is an answer."""
    end = time.monotonic() + limit
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {limit} s")
        time.sleep(0.02)


def free_port():
    """A port that nobody listens at, below those that connections get by themselves."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Process:
    """A running program. It writes to a file, so that nothing it says holds it up."""

    def __init__(self, folder, name, command, environment):
        self.log = folder / f"{name}.log"
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                [str(part) for part in command], cwd=folder, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env={"PATH": os.environ["PATH"], **environment})

    def tell(self, number):
        self.child.send_signal(number)

    def end(self, number=signal.SIGKILL):
        """Sends a signal and waits; the exit status."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGCONT)
            self.child.send_signal(number)
        return self.child.wait(60)


class Service(Process):
    """One instance, at an address that it keeps when it is started again."""

    def __init__(self, stack, name, binary, port, environment):
        self.port = port
        super().__init__(stack.folder, name, [BINARIES / binary], {
            "DATABASE_URL": stack.database_url,
            "HTTP_ADDR": "off",
            "HTTPS_ADDR": f"127.0.0.1:{port}",
            "TLS_CERT": str(stack.folder / "certs/server.pem"),
            "TLS_KEY": str(stack.folder / "certs/server.key"),
            **environment,
            **stack.environment,
        })


class Stack:
    """On PostgreSQL or SQLite of its own, or on a database with a `url`.

    Fields: `folder`, `services` by name (users-1, users-2, offers-1, offers-2), `edge` (the
    port of nginx), `database_url`."""

    def __init__(self, engine="postgres", nginx=True, **environment):
        self.folder = Path(tempfile.mkdtemp(prefix="classifieds."))
        self.folder.chmod(0o755)
        self.environment = {"SECURITY": "spec", "DRAIN": "6s", **environment}
        self.services, self.postgres, self.nginx = {}, None, None
        try:
            self._start(engine, nginx)
        except BaseException:
            self.close()
            raise

    def _start(self, engine, nginx):
        self.run(BINARIES / "certs", "certs", "--name", "users-api", "--name", "offers-api")
        if engine == "postgres":
            self.postgres = Postgres(self.folder / "postgres")
            self.database_url = self.postgres.url
        elif engine != "sqlite":
            self.database_url = engine.url
        else:
            self.database_url = f"sqlite://{self.folder}/classifieds.db?mode=rwc"
        self.run(BINARIES / "migration", "up")
        self.edge, self.plain = free_port(), free_port()
        self.ports = {name: free_port() for name in ("users-1", "users-2", "offers-1", "offers-2")}
        names = self.ports if nginx else ("users-1", "offers-1")
        self.behind = f"https://localhost:{self.edge}" if nginx else None
        for name in names:
            self.start(name)
        for name in names:
            self.ready(name)
        if nginx:
            self.nginx = Nginx(self, {n: f"127.0.0.1:{port}" for n, port in self.ports.items()})

    def run(self, *command):
        environment = {"PATH": os.environ["PATH"]}
        if hasattr(self, "database_url"):
            environment["DATABASE_URL"] = self.database_url
        subprocess.run([str(part) for part in command], cwd=self.folder, env=environment,
                       check=True, stdout=subprocess.DEVNULL)

    def start(self, name):
        """Starts an instance, also again."""
        kind = name.split("-")[0]
        ca = str(self.folder / "certs/ca.pem")
        if kind == "users":
            url = self.behind and f"{self.behind}/offers"
            own = {"OFFERS_URL": url or f"https://localhost:{self.ports['offers-1']}",
                   "OFFERS_CA": ca, "JWT_KEY_DIR": str(self.folder / "keys")}
        else:
            url = self.behind or f"https://localhost:{self.ports['users-1']}"
            own = {"JWKS_URL": f"{url}/.well-known/jwks.json", "JWKS_CA": ca}
        self.services[name] = Service(self, name, f"{kind}-api", self.ports[name], own)

    def ready(self, name, limit=PATIENCE):
        """Waits until an instance says that it is ready."""
        def ask():
            if self.services[name].child.poll() is not None:
                raise RuntimeError(f"{name} ended: {self.services[name].log.read_text()}")
            return self.status(self.ports[name], "GET", "/health/ready") == 200
        until(f"{name} is ready", ask, limit)

    def trust(self):
        return ssl.create_default_context(cafile=self.folder / "certs/ca.pem")

    def connect(self, port=None, timeout=PATIENCE):
        return http.client.HTTPSConnection("localhost", port or self.edge, timeout=timeout,
                                           context=self.trust())

    def ask(self, port, method, path, body=None, headers=None, timeout=PATIENCE):
        """One request on a connection of its own: status, headers, body."""
        connection = self.connect(port, timeout)
        try:
            return send(connection, method, path, body, headers)
        finally:
            connection.close()

    def status(self, port, method, path, body=None):
        """As `ask`: the status, or nothing where no answer came."""
        try:
            return self.ask(port, method, path, body)[0]
        except (OSError, http.client.HTTPException):
            return None

    def served(self, name, route):
        """How many requests for a route an instance has answered."""
        text = self.ask(self.ports[name], "GET", "/metrics")[2].decode()
        lines = (line for line in text.splitlines() if line.startswith("http_requests_total{"))
        return sum(int(line.rsplit(" ", 1)[1]) for line in lines if f'route="{route}"' in line)

    def close(self):
        for process in self.services.values():
            process.end()
        if self.nginx:
            self.nginx.end(signal.SIGQUIT)
        if self.postgres:
            self.postgres.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            logs = {*self.folder.glob("*.log"), *self.folder.glob("*/error.log")}
            for log in sorted(logs):
                print(f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-15:],
                      sep="\n")
        self.close()


def send(connection, method, path, body=None, headers=None):
    """One request: status, headers, body."""
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
    headers = {**({"Content-Type": "application/json"} if body else {}), **(headers or {})}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


class Nginx(Process):
    """nginx with the configuration that the containers have, at other ports and paths."""

    def __init__(self, stack, servers, name="nginx", edge=None, plain=None):
        folder = stack.folder / name
        folder.mkdir()
        values = {
            "HTTP_LISTEN": f"127.0.0.1:{plain or stack.plain}",
            "HTTPS_LISTEN": f"127.0.0.1:{edge or stack.edge}",
            "HTTPS_PUBLIC": str(edge or stack.edge),
            "ACCESS_LOG": str(folder / "access.log"),
            "EDGE": str(stack.folder / "certs"),
            "INSIDE": str(stack.folder / "certs"),
            **{name.upper().replace("-", "_"): address for name, address in servers.items()},
        }
        text = (ROOT / "nginx/classifieds.conf.template").read_text()
        for key, value in values.items():
            text = text.replace("${%s}" % key, value)
        (folder / "classifieds.conf").write_text(text)
        scratch = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "nginx.conf").write_text(
            f"daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;\n"
            "events { worker_connections 4096; }\n"
            f"http {{ {scratch} include {folder}/classifieds.conf; }}\n")
        super().__init__(folder, name, ["nginx", "-p", folder, "-c", folder / "nginx.conf",
                                        "-e", folder / "error.log"], {})
        until("nginx listens", lambda: self.child.poll() is not None or
              stack.status(edge or stack.edge, "GET", "/health") == 404)
        if self.child.poll() is not None:
            raise RuntimeError((folder / "error.log").read_text())


def postgres_programs():
    """The folder with the programs of PostgreSQL."""
    return Path(subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True,
                               check=True).stdout.strip())


class Postgres:
    """A server of its own that keeps what it has acknowledged."""

    def __init__(self, folder):
        self.folder = folder
        script = [ROOT / "tests/postgres", "start", folder]
        self.url = subprocess.run(script, check=True, capture_output=True, text=True).stdout.strip()
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            self.sql(f"alter system set {setting} = on")
        self.sql("select pg_reload_conf()")

    def owned(self, *command, check=True):
        """Runs a program of PostgreSQL as the owner of the cluster."""
        owner = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        return subprocess.run([*owner, *(str(part) for part in command)], cwd="/", check=check,
                              capture_output=True, text=True)

    def sql(self, text):
        """One statement; its rows as text."""
        found = self.owned(postgres_programs() / "psql", "-XAtq", "-U", "postgres", "-h", self.folder,
                           "-c", text, "postgres")
        return found.stdout.strip()

    def control(self, *arguments):
        self.owned(postgres_programs() / "pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log",
                   "-w", *arguments)

    def kill(self):
        """Kills the server and all of its processes, as a power cut would."""
        pid = int((self.folder / "data/postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        until("PostgreSQL is gone", lambda: not Path(f"/proc/{pid}").exists())

    def close(self):
        subprocess.run([ROOT / "tests/postgres", "stop", self.folder], check=False)
