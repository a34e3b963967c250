"""Starts the real binaries on loopback: PostgreSQL, instances of both services over HTTP and HTTPS,
and nginx with the configuration of the containers.

The binaries are those of `cargo build --workspace --bins`. PROFILE=release takes the optimised ones,
BINARIES those of another folder."""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from clients import HttpsClient

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()
BINARIES = Path(os.environ.get("BINARIES") or TARGET / os.environ.get("PROFILE", "debug")).absolute()
START_TIMEOUT = 30
# PostgreSQL and PgBouncer refuse to run as root.
AS_POSTGRES_USER = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"]


def wait_until(description, condition, timeout=START_TIMEOUT):
    """Calls the condition until its result is true, and returns that; raises after the timeout."""
    end = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise TimeoutError(f"{description}: not within {timeout} s")
        time.sleep(0.02)


def free_port():
    """Returns an unused port, below the range from which the system assigns ports to clients."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def fill_template(path, values):
    """Returns the text of a template with each `${NAME}` replaced."""
    text = (ROOT / path).read_text()
    for key, value in values.items():
        text = text.replace("${%s}" % key, str(value))
    assert "${" not in text, text
    return text


class Process:
    """A running program. Its output goes to a file, so that it never blocks on a full pipe."""

    def __init__(self, folder, name, command, environment):
        self.log = folder / f"{name}.log"
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                [str(part) for part in command], cwd=folder, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env={"PATH": os.environ["PATH"], **environment})

    def running(self):
        return self.child.poll() is None

    def stop(self, number=signal.SIGKILL):
        """Sends a signal, waits for the end, and returns the exit status."""
        if self.running():
            self.child.send_signal(signal.SIGCONT)
            self.child.send_signal(number)
        return self.child.wait(60)

    def errors(self):
        """Returns the lines of the log that show an internal error or a panic."""
        return [line for line in self.log.read_text().splitlines() if "ERROR" in line or "panicked" in line]

    def resident_mib(self):
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def cpu_seconds(self):
        times = Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


class Stack(HttpsClient):
    """Instances of both services on a database, by default two of each on PostgreSQL behind nginx;
    without nginx one of each. Services reach each other over HTTPS, through nginx if there is one.

    `database` is "postgres", "sqlite", or an object whose `url` leads to PostgreSQL. A `durable`
    PostgreSQL keeps what it has acknowledged. `memory_limit` is the address space of an instance in
    bytes. `binaries` is their folder, also of those that are started later. `settings` are environment
    variables of all instances.

    Fields: `folder`; `services`, `ports` (HTTPS) and `http_addresses` by the name of the instance
    (users-1, users-2, offers-1, offers-2); `nginx_port`; `postgres`; `database_url`."""

    def __init__(self, database="postgres", nginx=True, users=None, durable=True, memory_limit=None,
                 binaries=BINARIES, **settings):
        self.binaries = binaries
        self.folder = Path(tempfile.mkdtemp(prefix="classifieds."))
        self.folder.chmod(0o755)
        self.settings = {"SECURITY": "spec", "DRAIN": "6s", "LOG": "warn,security=off", **settings}
        self.command = ["prlimit", f"--as={memory_limit}"] if memory_limit else []
        self.services, self.postgres, self.nginx, self.database_url = {}, None, None, ""
        instances = {"users": users or 1 + nginx, "offers": 1 + nginx}
        names = [f"{kind}-{n}" for kind, count in instances.items() for n in range(1, count + 1)]
        self.ports = {name: free_port() for name in names}
        self.http_addresses = {name: ("127.0.0.1", free_port()) for name in names}
        self.nginx_port, self.plain_port = free_port(), free_port()
        try:
            self.run("certs", "certs", "--name", "users-api", "--name", "offers-api")
            if database == "postgres":
                self.postgres = Postgres(self.folder / "postgres", durable)
            self.database_url = (f"sqlite://{self.folder}/classifieds.db?mode=rwc" if database == "sqlite"
                                 else (self.postgres or database).url)
            self.run("migration", "up")
            base = f"https://localhost:{self.nginx_port}"
            self.offers_url = f"{base}/offers" if nginx else f"https://localhost:{self.ports['offers-1']}"
            self.users_url = base if nginx else f"https://localhost:{self.ports['users-1']}"
            for name in names:
                self.start(name)
            for name in names:
                self.wait_until_ready(name)
            if nginx:
                self.nginx = Nginx(self, self.addresses())
        except BaseException:
            self.close()
            raise

    def run(self, binary, *arguments):
        """Runs a binary of this workspace to its end, on the database of the stack."""
        environment = {"PATH": os.environ["PATH"], "JWT_KEY_DIR": str(self.folder / "keys"),
                       "DATABASE_URL": self.database_url, "LOG": "warn"}
        subprocess.run([self.binaries / binary, *arguments], cwd=self.folder, env=environment,
                       check=True, stdout=subprocess.DEVNULL)

    def seed(self, users, offers):
        """Adds users demo1, demo2, … with the password demo, and this many offers each."""
        self.run("classifieds", "seed", "--users", str(users), "--offers", str(offers))

    def start(self, name):
        """Starts an instance, also again, at the addresses that it had before."""
        kind = name.split("-")[0]
        certs = self.folder / "certs"
        own = {
            "users": {"OFFERS_URL": self.offers_url, "OFFERS_CA": str(certs / "ca.pem"),
                      "JWT_KEY_DIR": str(self.folder / "keys")},
            "offers": {"JWKS_URL": f"{self.users_url}/.well-known/jwks.json", "JWKS_CA": str(certs / "ca.pem")},
        }[kind]
        self.services[name] = Process(self.folder, name, [*self.command, self.binaries / f"{kind}-api"], {
            "DATABASE_URL": self.database_url,
            "HTTP_ADDR": "%s:%d" % self.http_addresses[name],
            "HTTPS_ADDR": f"127.0.0.1:{self.ports[name]}",
            "TLS_CERT": str(certs / "server.pem"),
            "TLS_KEY": str(certs / "server.key"),
            **own,
            **self.settings,
        })

    def wait_until_ready(self, name, timeout=START_TIMEOUT):
        """Waits until an instance reports that it is ready."""
        def is_ready():
            if not self.services[name].running():
                raise RuntimeError(f"{name} ended: {self.services[name].log.read_text()}")
            return self.status("GET", "/health/ready", self.ports[name]) == 200
        wait_until(f"{name} is ready", is_ready, timeout)

    def addresses(self):
        """Returns the addresses of the instances by service."""
        return {service: [f"127.0.0.1:{port}" for name, port in self.ports.items() if service.startswith(name[:5])]
                for service in ("users-api", "offers-api")}

    def process_ids(self):
        """Returns the process id of each running instance."""
        return {name: service.child.pid for name, service in self.services.items() if service.running()}

    def requests_served(self, name, route):
        """Returns how many requests for a route an instance has answered, by its metrics."""
        text = self.request("GET", "/metrics", port=self.ports[name])[2].decode()
        lines = (line for line in text.splitlines() if line.startswith("http_requests_total{"))
        return sum(int(line.rsplit(" ", 1)[1]) for line in lines if f'route="{route}"' in line)

    def close(self):
        for process in self.services.values():
            process.stop()
        if self.nginx:
            self.nginx.stop(signal.SIGQUIT)
        if self.postgres:
            self.postgres.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        if error:
            for log in sorted({*self.folder.glob("*.log"), *self.folder.glob("*/error.log")}):
                print(f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-15:], sep="\n")
        self.close()


class Nginx(Process):
    """nginx with the configuration of the containers, at other ports and paths. `servers` has the
    addresses of each service, which need no DNS."""

    def __init__(self, stack, servers, name="nginx", port=None, plain_port=None, **settings):
        folder = stack.folder / name
        folder.mkdir()
        port = port or stack.nginx_port
        (folder / "classifieds.conf").write_text(fill_template("nginx/classifieds.conf.template", {
            "HTTP_LISTEN": f"127.0.0.1:{plain_port or stack.plain_port}",
            "HTTPS_LISTEN": f"127.0.0.1:{port}",
            "HTTPS_PUBLIC": port,
            "ACCESS_LOG": folder / "access.log",
            "EDGE": stack.folder / "certs",
            "NAMES": "classifieds.example",
            "RESOLVER": "127.0.0.1",
            "USERS_API": "users-api",
            "OFFERS_API": "offers-api",
            **settings,
        }))
        groups = "\n".join(
            f"upstream {service} {{ {' '.join(f'server {address} max_fails=0;' for address in addresses)} }}"
            for service, addresses in servers.items())
        temporary = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in
                              ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        # What the nginx.conf of Debian or of the image has in its `http` block must not be set twice.
        distribution = ("sendfile on; keepalive_timeout 65; default_type application/octet-stream; access_log off;"
                        "ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_prefer_server_ciphers on; gzip on;")
        (folder / "nginx.conf").write_text(
            f"daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;\n"
            "events { worker_connections 4096; }\n"
            f"http {{ {temporary} {distribution}\n{groups}\ninclude {folder}/classifieds.conf; }}\n")
        super().__init__(folder, name, ["nginx", "-p", folder, "-c", folder / "nginx.conf",
                                        "-e", folder / "error.log"], {})
        wait_until("nginx listens", lambda: not self.running() or stack.status("GET", "/health", port) == 404)
        if not self.running():
            raise RuntimeError((folder / "error.log").read_text())


def postgres_programs():
    """Returns the folder with the programs of PostgreSQL."""
    return Path(subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True,
                               check=True).stdout.strip())


class Postgres:
    """A PostgreSQL server in a folder of its own."""

    def __init__(self, folder, durable=True):
        self.folder = folder
        script = [ROOT / "tests/postgres", "start", folder]
        self.url = subprocess.run(script, check=True, capture_output=True, text=True).stdout.strip()
        if durable:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                self.sql(f"alter system set {setting} = on")
            self.sql("select pg_reload_conf()")

    def run_program(self, name, *arguments):
        """Runs a program of PostgreSQL as the user of the server."""
        user = AS_POSTGRES_USER if os.getuid() == 0 else []
        command = [*user, postgres_programs() / name, *(str(argument) for argument in arguments)]
        return subprocess.run(command, cwd="/", check=True, capture_output=True, text=True)

    def sql(self, text):
        """Runs one statement, and returns its rows as text."""
        return self.run_program("psql", "-XAtq", "-U", "postgres", "-h", self.folder, "-c", text,
                                "postgres").stdout.strip()

    def control(self, *arguments):
        """Runs pg_ctl."""
        self.run_program("pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-w", *arguments)

    def kill(self):
        """Kills the server, as a power failure would."""
        pid = int((self.folder / "data/postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        wait_until("PostgreSQL is gone", lambda: not Path(f"/proc/{pid}").exists())

    def close(self):
        subprocess.run([ROOT / "tests/postgres", "stop", self.folder], check=False)
