"""Runs every example against the services: each must receive the second offer."""

import os
import subprocess
import sys

sys.path.append(f"{sys.path[0]}/../support")
from checks import Checks
from services import BINARIES, ROOT, Stack
from tools import install_python_packages

EXAMPLES = ROOT / "examples"

checks = Checks()
programs = install_python_packages("examples", "--requirement", EXAMPLES / "python/requirements.txt")
commands = {
    "curl": [EXAMPLES / "curl/story.sh"],
    "Python": [programs / "python", EXAMPLES / "python/story.py"],
    "TypeScript": ["npm", "--prefix", EXAMPLES / "typescript", "--silent", "start"],
    "Rust": [BINARIES / "examples/rust"],
}
with Stack("sqlite", nginx=False, SECURITY="strict") as stack:
    addresses = {f"{name}_URL": "http://%s:%d" % stack.http_addresses[f"{name.lower()}-1"]
                 for name in ("USERS", "OFFERS")}
    for name, command in commands.items():
        done = subprocess.run(command, env={**os.environ, **addresses}, stdout=subprocess.PIPE, text=True)
        print(done.stdout, end="")
        passed = done.returncode == 0 and done.stdout.endswith("\nreceived: Lamp\n")
        checks.check(passed, f"the {name} example runs to its end")
checks.finish()
