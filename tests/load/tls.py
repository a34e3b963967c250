#!/usr/bin/env python3
"""Checks the HTTPS listener against Mozilla's intermediate profile with sslyze, which may object to
nothing but the local certificate authority. Installs sslyze into the target folder.
"""

import subprocess
import sys

sys.path.append(f"{sys.path[0]}/../support")
from checks import Checks
from services import Stack
from tools import install_python_packages

checks = Checks()
programs = install_python_packages("sslyze", "sslyze==6.3.1")
with Stack(nginx=False, durable=False, SECURITY="strict") as stack:
    done = subprocess.run(
        [programs / "sslyze", "--mozilla_config", "intermediate", f"localhost:{stack.ports['users-1']}"],
        capture_output=True, text=True,
    )
    print(done.stdout)
    verdict = done.stdout.partition("COMPLIANCE")[2]
    findings = [line.strip() for line in verdict.splitlines() if line.strip().startswith("*")]
    local = ("certificate_hostname", "certificate_path_validation", "certificate chain", "validation")
    others = [line for line in findings if not any(word in line.lower() for word in local)]
    checks.check(verdict, "sslyze reports a verdict")
    checks.check(not others, f"sslyze objects to nothing but the local authority {others}")
checks.finish()
