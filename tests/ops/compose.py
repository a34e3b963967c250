"""compose.yml as it is: started from nothing, the routes through nginx over HTTPS, one instance of
each service killed under load, two projects beside each other that are scaled under load. Needs
Docker; builds the images if there are none. BINARIES=target/debug builds them from the binaries of
that folder, without a compiler.

Ports other than 80 and 443, and project names of its own, separate it from one that runs already."""

import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nginx

sys.path.append(f"{sys.path[0]}/../support")
from checks import run_checks
from clients import HttpsClient, Load, count_statuses, percentile
from services import BINARIES, ROOT, free_port, wait_until

PROJECT = "classifieds-test"
SERVICES = {"users-api": 8441, "offers-api": 8442}
# Requests to each of two projects, and their rate per second. A slow machine needs lower ones.
REQUESTS = int(os.environ.get("REQUESTS", 10_000))
RATE = int(os.environ.get("RATE", 100))
# The default of Load, whose connections have one request each under way.
CLIENT_CONNECTIONS = 24


class Compose(HttpsClient):
    """The containers of compose.yml, as the checks of nginx need them."""

    def __init__(self, project=PROJECT):
        self.nginx_port, self.plain_port = free_port(), free_port()
        self.environment = {**os.environ, "HTTPS_PORT": str(self.nginx_port), "SECURITY": "spec",
                            "HTTP_PORT": str(self.plain_port), "NAMES": "classifieds.example",
                            "COMPOSE_PROJECT_NAME": project}
        plugin_missing = subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
        self.command = ["docker-compose"] if plugin_missing else ["docker", "compose"]
        self.folder = Path(tempfile.mkdtemp())
        self.run("down", "--volumes")
        self.run("up", "--detach")
        wait_until("nginx is up", lambda: self.container_ids("nginx"), 600)
        (self.folder / "certs").mkdir()
        subprocess.run(["docker", "cp", f"{self.container_ids('nginx')[0]}:/etc/nginx/edge/ca.pem",
                        self.folder / "certs"], check=True, stdout=subprocess.DEVNULL)
        wait_until("nginx responds", lambda: self.status("GET", "/user/") == 200, 60)

    def run(self, *arguments):
        return subprocess.run([*self.command, *arguments], cwd=ROOT, env=self.environment,
                              check=True, stdout=subprocess.PIPE, text=True).stdout

    def container_ids(self, service):
        return self.run("ps", "--quiet", service).split()

    def scale(self, count, services=SERVICES):
        """Starts or stops instances of the services until there are this many of each."""
        scales = [f"--scale={service}={count}" for service in services]
        self.run("up", "--detach", "--no-deps", "--no-recreate", *scales, *services)

    def upstreams(self, service):
        """Returns the addresses at which nginx has reached a service."""
        log = subprocess.run(["docker", "logs", self.container_ids("nginx")[0]], check=True,
                             capture_output=True, text=True).stdout
        upstreams = {json.loads(line)["upstream"] for line in log.splitlines() if line.startswith("{")}
        return {address for upstream in upstreams for address in upstream.split(", ")
                if address.endswith(f":{SERVICES[service]}")}

    def close(self):
        self.run("down", "--volumes")
        shutil.rmtree(self.folder)

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        if error:
            print(self.run("ps"), self.run("logs", "--tail=20"))
        self.close()


def build_images_from_binaries():
    """Builds the images of the Dockerfile with binaries that are there instead of its build stage."""
    text = (ROOT / "Dockerfile").read_text()
    build, base = text.index("FROM rust"), text.index("FROM debian")
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        shutil.copytree(ROOT / "ops", context / "ops")
        for name in ("certs", "migration", "users-api", "offers-api"):
            subprocess.run(["strip", "-o", context / name, BINARIES / name], check=True)
        (context / "Dockerfile").write_text(
            text[:build] + "FROM scratch AS build\nCOPY certs migration users-api offers-api /src/target/release/\n\n"
            + text[base:])
        for target in ("setup", "migration", "users-api", "offers-api"):
            subprocess.run(["docker", "build", "--quiet", "--target", target, "--tag", f"classifieds/{target}",
                            context], check=True, stdout=subprocess.DEVNULL)


def nginx_checks_hold_for_the_containers():
    with Compose() as compose:
        for check in nginx.CONTRACT:
            check(compose)
        return f"{len(nginx.CONTRACT)} checks"


def describe_failures(responses, kills):
    """Counts failures by the time since the last kill, status and code."""
    failures = {}
    for start, seconds, status, body in responses:
        if status != 200:
            name, moment = max(((name, moment) for name, moment in kills.items()
                                if moment <= start + seconds), key=lambda kill: kill[1])
            code = json.loads(body).get("code") if status else body.decode()
            key = f"{start - moment:.1f} s after {name}: {status} {code}"
            failures[key] = failures.get(key, 0) + 1
    return failures


def start_load(compose, rate):
    """Creates a user with an offer, and reads both at a steady rate."""
    user = compose.register()
    offer = {"user_id": user, "title": "chair", "text": "old"}
    status, _, body = compose.request("POST", "/offer/create/", offer)
    assert status == 201, body
    return Load(compose, lambda n: ("GET", f"/user/{user}/") if n % 2 else ("POST", "/offer/", {"user_id": user}),
                rate, CLIENT_CONNECTIONS)


def killed_instances_fail_only_requests_in_flight():
    with Compose() as compose:
        load = start_load(compose, 200)
        time.sleep(3)
        kills = {"the start": load.start}
        for service in SERVICES:
            kills[service] = time.monotonic()
            subprocess.run(["docker", "kill", compose.container_ids(service)[0]], check=True,
                           stdout=subprocess.DEVNULL)
            time.sleep(3)
        responses = load.stop()
        counts, failures = count_statuses(responses), describe_failures(responses, kills)
        failed = sum(count for status, count in counts.items() if status != 200)
        # Each kill fails at most the requests in flight on the instance.
        assert failed <= 2 * CLIENT_CONNECTIONS, (counts, failures)
        for service in SERVICES:
            assert len(compose.upstreams(service)) >= 2, compose.upstreams(service)
        return f"{counts}, by both instances of each; {failures}"


def roll_out_fails_no_request():
    """As docs/scaling.md describes it."""
    with Compose() as compose, start_load(compose, RATE) as load:
        moments = {"the start": load.start}
        for service in ("offers-api", "users-api"):
            old = compose.container_ids(service)
            moments[f"the start of the new {service}"] = time.monotonic()
            compose.scale(4, [service])
            status = ["docker", "inspect", "--format", "{{.State.Health.Status}}"]
            wait_until("the new instances are healthy", lambda: set(subprocess.run(
                [*status, *compose.container_ids(service)], check=True, capture_output=True, text=True,
            ).stdout.split()) == {"healthy"}, 60)
            moments[f"the end of the old {service}"] = time.monotonic()
            subprocess.run(["docker", "stop", *old], check=True, stdout=subprocess.DEVNULL)
            subprocess.run(["docker", "rm", *old], check=True, stdout=subprocess.DEVNULL)
            compose.scale(2, [service])
            assert not {*old} & {*compose.container_ids(service)}
        time.sleep(3)
        responses = load.stop()
        assert set(count_statuses(responses)) == {200}, describe_failures(responses, moments)
        return f"{len(responses)} requests, 0 failed"


def one_address_takes_little_memory_of_nginx():
    """As many half-sent bodies as an address may have, then as many clients that do not read a response."""
    with Compose() as compose:
        def memory_mib():
            usage = subprocess.run(["docker", "stats", "--no-stream", "--format", "{{.MemUsage}}",
                                    *compose.container_ids("nginx")], check=True, capture_output=True, text=True).stdout
            return float(usage.split("MiB")[0])
        user = compose.register()
        for _ in range(30):
            offer = {"user_id": user, "title": "chair", "text": "x" * 20_000}
            assert compose.request("POST", "/offer/create/", offer)[0] == 201
        body = json.dumps({"user_id": user})
        used = []
        for length, part in [(262_000, " " * 250_000), (len(body), body)]:
            connections = [compose.connect() for _ in range(120)]
            for connection in connections:
                connection.connect()
                connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.putrequest("POST", "/offer/")
                connection.putheader("Content-Length", str(length))
                connection.endheaders(part.encode())
            used.append(memory_mib())
            for connection in connections:
                connection.close()
        assert max(used) < 24, used
        return f"{used[0]:.0f} and {used[1]:.0f} MiB"


def two_projects_scale_under_load():
    with (Compose() as one, Compose(f"{PROJECT}-2") as two,
          start_load(one, RATE) as load, start_load(two, RATE) as other):
        moments = {"the start": time.monotonic()}
        counts = itertools.cycle([3, 2])
        while min(len(load.responses), len(other.responses)) < REQUESTS:
            count = next(counts)
            moments[f"scaling to {count}"] = time.monotonic()
            for project in (one, two):
                project.scale(count)
            time.sleep(5)
        results = []
        for project, responses in ((one, load.stop()), (two, other.stop())):
            statuses = count_statuses(responses)
            assert set(statuses) == {200}, (statuses, describe_failures(responses, moments))
            for service in SERVICES:
                assert len(project.upstreams(service)) >= 3, project.upstreams(service)
            p99 = percentile([seconds for _, seconds, _, _ in responses], 0.99)
            results.append(f"{len(responses)} requests, 0 failed, p99 {p99 * 1000:.0f} ms")
        return "; ".join(results)


if not shutil.which("docker"):
    sys.exit("docker is missing: apt install docker.io docker-compose")
if "BINARIES" in os.environ:
    build_images_from_binaries()
run_checks(nginx_checks_hold_for_the_containers, killed_instances_fail_only_requests_in_flight,
           roll_out_fails_no_request, one_address_takes_little_memory_of_nginx, two_projects_scale_under_load)
