"""Holds both services against their OpenAPI documents, by schemathesis, in both modes.

usage: check.py BINARY SCHEMATHESIS EXAMPLES
"""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request

BINARY, SCHEMATHESIS, EXAMPLES = sys.argv[1:]
FOLDER = pathlib.Path(__file__).parent
PASSWORD = "7 quiet herons"


@contextlib.contextmanager
def services(security):
    """Starts both services on free ports, and gives the address of each by its name."""
    with tempfile.TemporaryDirectory(prefix="openapi-") as folder:
        free = {f"{name}_HTTP_ADDR": "127.0.0.1:0" for name in ("USERS", "OFFERS")}
        off = {f"{name}_HTTPS_ADDR": "off" for name in ("USERS", "OFFERS")}
        # Tokens last as long as the run.
        settings = {"SECURITY": security, "LOG": "error", "ACCESS_TTL": "1h"}
        env = {"PATH": os.environ["PATH"], **free, **off, **settings}
        child = subprocess.Popen([BINARY], cwd=folder, env=env, stdout=subprocess.PIPE, text=True)
        try:
            found = {}
            while len(found) < 2:
                line = child.stdout.readline()
                if not line:
                    raise SystemExit("the services ended")
                if match := re.match(r"(users|offers)-api (http://\S+)", line):
                    found[match[1]] = match[2].rstrip("/")
            yield found
        finally:
            child.send_signal(signal.SIGTERM)
            child.communicate()


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def log_in(users, name):
    """Registers a user, and gives their access token."""
    body = {"username": name, "password": PASSWORD, "email": f"{name}@example.org"}
    post(f"{users}/user/registry/", body)
    return post(f"{users}/user/auth/", body)["access_token"]


def run(address, security, token):
    """Whether all checks pass."""
    command = [
        SCHEMATHESIS, "--config-file", FOLDER / f"{security}.toml", "run", f"{address}/openapi.json",
        "--checks", "all", "--mode", "all", "--phases", "examples,coverage,fuzzing,stateful",
        "-n", EXAMPLES, "--no-color", "--warnings", "off",
    ]
    if token:
        # Who deletes themself is refused from then on, whatever is asked.
        command += ["-H", f"Authorization: Bearer {token}", "--exclude-operation-id", "deleteUser"]
    with tempfile.TemporaryDirectory(prefix="openapi-") as folder:
        ended = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if ended.returncode != 0:
        print(ended.stdout)
    for line in re.findall(r"^ *\d+ generated.*$", ended.stdout, re.MULTILINE):
        print(line.strip())
    return ended.returncode == 0


passed = failed = 0
for security in ("spec", "strict"):
    with services(security) as found:
        # First of all: a service that was tried slows down who logs in.
        tokens = {service: log_in(found["users"], f"{service}-tester") for service in found}
        for service, address in found.items():
            # In spec mode a token changes nothing but what it may be refused for.
            for token in [None] if security == "spec" else [None, tokens[service]]:
                good = run(address, security, token)
                passed, failed = passed + good, failed + (not good)
                print("ok" if good else "FAILED", service, security, "with a token" if token else "")
print(f"{passed} passed, {failed} failed")
sys.exit(failed != 0)
