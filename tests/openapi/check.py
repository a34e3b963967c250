"""Checks both services against their OpenAPI documents with schemathesis, in both security modes.
FULL=1 tries 200 examples an operation."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.append(f"{sys.path[0]}/../support")
from checks import Checks
from services import Stack
from tools import install_python_packages

FOLDER = Path(__file__).resolve().parent
# Not the example of the document: schemathesis would change the password, which ends the sessions.
PASSWORD = "7 quiet herons"
EXAMPLES = "200" if os.environ.get("FULL") == "1" else "15"


def run_schemathesis(address, security, token):
    """Returns True if all checks of schemathesis pass."""
    command = [
        SCHEMATHESIS, "--config-file", FOLDER / f"{security}.toml", "run", f"{address}/openapi.json",
        "--checks", "all", "--mode", "all", "--phases", "examples,coverage,fuzzing,stateful",
        "-n", EXAMPLES, "--no-color", "--warnings", "off",
    ]
    if token:
        # A user who deletes themself is refused from then on.
        command += ["-H", f"Authorization: Bearer {token}", "--exclude-operation-id", "deleteUser"]
    with tempfile.TemporaryDirectory(prefix="openapi-") as folder:
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        print(done.stdout)
    for line in re.findall(r"^ *\d+ generated.*$", done.stdout, re.MULTILINE):
        print(line.strip())
    return done.returncode == 0


checks = Checks()
SCHEMATHESIS = install_python_packages("openapi", "--requirement", FOLDER / "requirements.txt") / "st"
for security in ("spec", "strict"):
    # The tokens last as long as the run.
    with Stack("sqlite", nginx=False, SECURITY=security, ACCESS_TTL="1h", LOG="error") as stack:
        # Before anything else, since the attempts of schemathesis make later logins wait.
        tokens = {}
        for name in stack.services:
            stack.register(f"{name}-tester", PASSWORD, stack.ports["users-1"])
            tokens[name] = stack.log_in(f"{name}-tester", PASSWORD, stack.ports["users-1"])["access_token"]
        for name, address in stack.http_addresses.items():
            # In spec mode a token changes nothing but what it may be refused for.
            for token in [None] if security == "spec" else [None, tokens[name]]:
                passed = run_schemathesis("http://%s:%d" % address, security, token)
                checks.check(passed, f"{name} in {security} mode {'with' if token else 'without'} a token")
checks.finish()
