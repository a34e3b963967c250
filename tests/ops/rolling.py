"""Every instance of both services ended by SIGTERM and started again, one after the other, at 200
requests a second through nginx: restarts with a rotation of the signing keys, and an upgrade over the
newest migration and a downgrade, from and to the commit before it. No request fails.

Builds that commit in target/previous, which takes as long as a first build; PREVIOUS names a folder
with its binaries instead."""

import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.append(f"{sys.path[0]}/../support")
from checks import run_checks
from clients import Load, count_statuses, percentile
from services import BINARIES, ROOT, TARGET, Stack

# Requests of each check, and their rate per second. A slow machine needs lower ones.
REQUESTS = int(os.environ.get("REQUESTS", 20_000))
RATE = int(os.environ.get("RATE", 200))
# offers-api first: users-api asks it for every field by name.
UPGRADE_ORDER = ["offers-1", "offers-2", "users-1", "users-2"]


def start_load(stack):
    """Starts a load of the routes of both services; returns it, and the headers with its token."""
    user = stack.register()
    login = {"username": "ann", "password": "correct horse"}
    token = {"Authorization": f"Bearer {stack.log_in()['access_token']}"}
    offer = {"user_id": user, "title": "chair", "text": "old"}

    def request(number):
        match number % 8:
            case 0:
                return "POST", "/offer/create/", offer, token
            case 1:
                return "POST", "/offer/", {"user_id": user}, token
            case 2:
                return "POST", "/offers/graphql", {"query": "{ __typename }"}
            case 3:
                return "POST", "/graphql", {"query": "{ me { username } }"}, token
            case 4 if number % 160 == 4:
                return "POST", "/user/auth/", login
            case _:
                return "GET", f"/user/{user}/?offers_limit=5", None, token
    return Load(stack, request, RATE), token


def restart(stack, names):
    for name in names:
        assert stack.services[name].stop(signal.SIGTERM) == 0, name
        stack.start(name)
        stack.wait_until_ready(name)


def assert_none_failed(load):
    """Stops the load, and returns a summary of its responses."""
    responses = load.stop()
    failed = [response for response in responses if response[2] not in (200, 201)]
    assert not failed, (len(failed), count_statuses(responses), failed[:5])
    p99 = percentile([seconds for _, seconds, _, _ in responses], 0.99)
    return f"{len(responses)} requests, 0 failed, p99 {p99 * 1000:.0f} ms"


def rolling_restart_fails_no_request():
    with Stack(SECURITY="strict", ACCESS_TTL="1h", OFFERS_PATIENCE="5s") as stack:
        load, token = start_load(stack)
        with load:
            rounds = 0
            while len(load.responses) < REQUESTS:
                restart(stack, stack.ports)
                rounds += 1
                if rounds == 1:
                    stack.run("users-api", "keys", "rotate", "--lead", "15s")
                else:
                    # The new key signs by now, and every instance accepts it.
                    token["Authorization"] = f"Bearer {stack.log_in()['access_token']}"
        return f"{assert_none_failed(load)}, {rounds} rounds of 4 restarts"


def git(*arguments):
    return subprocess.run(["git", "-C", ROOT, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def build_previous_version():
    """Builds the commit before that of the newest migration. Returns its folder of binaries and its name."""
    if folder := os.environ.get("PREVIOUS"):
        return Path(folder).absolute(), folder
    newest = git("log", "--max-count=1", "--diff-filter=A", "--format=%H", "--", "migration/src/m2*.rs")
    commit = git("rev-parse", "--short", f"{newest}^")
    source, target = TARGET / "previous-source", TARGET / "previous"
    if source.exists():
        git("worktree", "remove", "--force", source)
    git("worktree", "add", "--force", "--detach", source, commit)
    try:
        profile = ["--release"] if BINARIES.name == "release" else []
        subprocess.run(["cargo", "build", "--quiet", "--workspace", "--bins", *profile], cwd=source, check=True,
                       env={**os.environ, "CARGO_TARGET_DIR": str(target)})
    finally:
        git("worktree", "remove", "--force", source)
    return target / BINARIES.name, commit


def upgrade_and_downgrade_fail_no_request():
    previous, commit = build_previous_version()
    with Stack(binaries=previous, SECURITY="strict", ACCESS_TTL="1h", OFFERS_PATIENCE="5s") as stack:
        def status():
            return subprocess.run([BINARIES / "migration", "status"], check=True, capture_output=True, text=True,
                                  env={"DATABASE_URL": stack.database_url}).stdout.split()
        pending = status().count("pending")
        assert pending, "the previous version has every migration"
        load, _ = start_load(stack)
        with load:
            rounds = 0
            while len(load.responses) < REQUESTS:
                stack.binaries = BINARIES
                stack.run("migration", "up")
                restart(stack, UPGRADE_ORDER)
                # The tables stay those of the newer version.
                stack.binaries = previous
                restart(stack, reversed(UPGRADE_ORDER))
                rounds += 1
        assert not status().count("pending")
        return f"{assert_none_failed(load)}, {rounds} upgrades from {commit} over {pending} migrations and back"


run_checks(rolling_restart_fails_no_request, upgrade_and_downgrade_fail_no_request)
