"""Installs Python packages into the target folder."""

import subprocess
import sys

from services import TARGET


def install_python_packages(name, *arguments):
    """Installs what the arguments of pip name into an environment, and returns its folder of programs."""
    programs = TARGET / name / "bin"
    if not (programs / "pip").exists():
        subprocess.run([sys.executable, "-m", "venv", TARGET / name], check=True)
    subprocess.run([programs / "pip", "install", "--quiet", *arguments], check=True, stdout=subprocess.DEVNULL)
    return programs
