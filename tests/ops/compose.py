"""compose.yml as it stands: started from nothing, the routes through nginx over HTTPS, one
instance of each service killed under load. Needs Docker; builds the images if there are none.

Ports other than 80 and 443, and a project name of its own, keep it apart from one that runs."""

import http.client
import json
import os
import shutil
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

import nginx
from load import Load, statuses
from stack import ROOT, free_port, send, until
from suite import run

PROJECT = "classifieds-test"


class Compose:
    """What Load and the checks of nginx need of a stack, on containers."""

    def __init__(self):
        self.edge, self.plain = free_port(), free_port()
        self.environment = {**os.environ, "HTTPS_PORT": str(self.edge), "SECURITY": "spec",
                            "HTTP_PORT": str(self.plain), "COMPOSE_PROJECT_NAME": PROJECT}
        plugin = subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
        self.command = ["docker-compose"] if plugin else ["docker", "compose"]
        self.folder = Path(tempfile.mkdtemp())
        self("down", "--volumes")
        self("up", "--detach")
        until("nginx is up", lambda: self.id("nginx"), 600)
        (self.folder / "certs").mkdir()
        subprocess.run(["docker", "cp", f"{self.id('nginx')}:/etc/nginx/edge/ca.pem",
                        self.folder / "certs"], check=True, stdout=subprocess.DEVNULL)
        until("nginx answers", self.answers, 60)

    def __call__(self, *arguments):
        return subprocess.run([*self.command, *arguments], cwd=ROOT, env=self.environment,
                              check=True, capture_output=True, text=True).stdout

    def id(self, service):
        return self("ps", "--quiet", service).strip()

    def trust(self):
        return ssl.create_default_context(cafile=self.folder / "certs/ca.pem")

    def connect(self, _=None, timeout=30):
        return http.client.HTTPSConnection("localhost", self.edge, timeout=timeout,
                                           context=self.trust())

    def ask(self, _, method, path, body=None, headers=None):
        connection = self.connect()
        try:
            return send(connection, method, path, body, headers)
        finally:
            connection.close()

    def answers(self):
        try:
            return self.ask(None, "GET", "/user/")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def close(self):
        self("down", "--volumes")
        shutil.rmtree(self.folder)


def contract():
    """What can be had through nginx, as it is without containers."""
    compose = Compose()
    try:
        checks = (nginx.routes, nginx.sessions, nginx.inside_stays_inside,
                  nginx.http_leads_to_https, nginx.http_2_and_headers, nginx.web_sockets,
                  nginx.limits)
        for check in checks:
            check(compose)
        return f"{len(checks)} checks"
    finally:
        compose.close()


def failures(answers, killed):
    """When, after which kill, with which status and code."""
    found = {}
    for begin, span, status, body in answers:
        if status != 200:
            name, moment = max(((name, moment) for name, moment in killed.items()
                                if moment <= begin + span), key=lambda kill: kill[1])
            code = json.loads(body).get("code") if status else body.decode()
            key = f"{begin - moment:.1f} s after {name}: {status} {code}"
            found[key] = found.get(key, 0) + 1
    return found


def an_instance_of_each_killed():
    compose = Compose()
    try:
        user = json.loads(compose.ask(None, "POST", "/user/registry/", {
            "username": "ann", "password": "correct horse", "email": "a@example.org"})[2])["id"]
        offer = {"user_id": user, "title": "chair", "text": "old"}
        assert compose.ask(None, "POST", "/offer/create/", offer)[0] == 201
        load = Load(compose, lambda n: ("GET", f"/user/{user}/") if n % 2 else
                    ("POST", "/offer/", {"user_id": user}))
        time.sleep(3)
        killed = {"the start": load.start}
        for name in ("users-1", "offers-1"):
            killed[name] = time.monotonic()
            subprocess.run(["docker", "kill", compose.id(name)], check=True,
                           stdout=subprocess.DEVNULL)
            time.sleep(3)
        answers = load.stop()
        found = statuses(answers)
        lost = sum(count for status, count in found.items() if status != 200)
        # What was under way on an instance that died: as many as its connections at most.
        assert lost <= 2 * 24, (found, failures(answers, killed))
        upstreams = {json.loads(line)["upstream"] for line in
                     subprocess.run(["docker", "logs", compose.id("nginx")], check=True,
                                    capture_output=True, text=True).stdout.splitlines()
                     if line.startswith("{")}
        for address in ("10.83.47.11:8441", "10.83.47.12:8441", "10.83.47.21:8442",
                        "10.83.47.22:8442"):
            assert address in upstreams, upstreams
        return f"{found}, by both instances of each; {failures(answers, killed)}"
    finally:
        compose.close()


run(contract, an_instance_of_each_killed)
