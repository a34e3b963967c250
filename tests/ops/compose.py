"""compose.yml as it is: started from nothing, the routes through nginx over HTTPS, one instance of
each service killed under load. Needs Docker; builds the images if there are none.

Ports other than 80 and 443, and a project name of its own, separate it from one that runs already."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nginx

sys.path.append(f"{sys.path[0]}/../support")
from checks import run_checks
from clients import HttpsClient, Load, count_statuses
from services import ROOT, free_port, wait_until

PROJECT = "classifieds-test"
# The default of Load, whose connections have one request each under way.
CLIENT_CONNECTIONS = 24


class Compose(HttpsClient):
    """The containers of compose.yml, as the checks of nginx need them."""

    def __init__(self):
        self.nginx_port, self.plain_port = free_port(), free_port()
        self.environment = {**os.environ, "HTTPS_PORT": str(self.nginx_port), "SECURITY": "spec",
                            "HTTP_PORT": str(self.plain_port), "COMPOSE_PROJECT_NAME": PROJECT}
        plugin_missing = subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
        self.command = ["docker-compose"] if plugin_missing else ["docker", "compose"]
        self.folder = Path(tempfile.mkdtemp())
        self.run("down", "--volumes")
        self.run("up", "--detach")
        wait_until("nginx is up", lambda: self.container_id("nginx"), 600)
        (self.folder / "certs").mkdir()
        subprocess.run(["docker", "cp", f"{self.container_id('nginx')}:/etc/nginx/edge/ca.pem",
                        self.folder / "certs"], check=True, stdout=subprocess.DEVNULL)
        wait_until("nginx responds", lambda: self.status("GET", "/user/") == 200, 60)

    def run(self, *arguments):
        return subprocess.run([*self.command, *arguments], cwd=ROOT, env=self.environment,
                              check=True, capture_output=True, text=True).stdout

    def container_id(self, service):
        return self.run("ps", "--quiet", service).strip()

    def close(self):
        self.run("down", "--volumes")
        shutil.rmtree(self.folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


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


def killed_instances_fail_only_requests_in_flight():
    with Compose() as compose:
        user = compose.register()
        offer = {"user_id": user, "title": "chair", "text": "old"}
        assert compose.request("POST", "/offer/create/", offer)[0] == 201
        load = Load(compose, lambda n: ("GET", f"/user/{user}/") if n % 2 else
                    ("POST", "/offer/", {"user_id": user}), threads=CLIENT_CONNECTIONS)
        time.sleep(3)
        kills = {"the start": load.start}
        for name in ("users-1", "offers-1"):
            kills[name] = time.monotonic()
            subprocess.run(["docker", "kill", compose.container_id(name)], check=True,
                           stdout=subprocess.DEVNULL)
            time.sleep(3)
        responses = load.stop()
        counts, failures = count_statuses(responses), describe_failures(responses, kills)
        failed = sum(count for status, count in counts.items() if status != 200)
        # Each kill fails at most the requests in flight on the instance.
        assert failed <= 2 * CLIENT_CONNECTIONS, (counts, failures)
        upstreams = {json.loads(line)["upstream"] for line in
                     subprocess.run(["docker", "logs", compose.container_id("nginx")], check=True,
                                    capture_output=True, text=True).stdout.splitlines()
                     if line.startswith("{")}
        for address in ("10.83.47.11:8441", "10.83.47.12:8441", "10.83.47.21:8442",
                        "10.83.47.22:8442"):
            assert address in upstreams, upstreams
        return f"{counts}, by both instances of each; {failures}"


run_checks(nginx_checks_hold_for_the_containers, killed_instances_fail_only_requests_in_flight)
