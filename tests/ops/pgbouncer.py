"""Two instances of each service behind nginx, all on one PgBouncer in transaction mode: everything
answers, by fewer connections to PostgreSQL than the services have. PGBOUNCER is the command where
`pgbouncer` is older than 1.21."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from load import Load, statuses
from stack import ROOT, Postgres, Process, Stack, free_port, until
from suite import run

POOL = 8
OWNED = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"]
COMMAND = shlex.split(os.environ.get("PGBOUNCER", "pgbouncer"))
SECONDS = 20


class Pooled:
    """A PostgreSQL, and a PgBouncer that `url` leads to."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="classifieds-pool."))
        self.folder.chmod(0o755)
        self.postgres, self.bouncer = Postgres(self.folder / "postgres"), None
        port = free_port()
        values = {"DATABASE": "postgres", "SERVER": self.postgres.folder, "PORT": "5432",
                  "LISTEN_ADDRESS": "127.0.0.1", "LISTEN_PORT": port, "AUTH": "trust",
                  "USERS": self.folder / "users.txt", "POOL": POOL}
        text = (ROOT / "ops/pgbouncer.ini.template").read_text()
        for key, value in values.items():
            text = text.replace("${%s}" % key, str(value))
        (self.folder / "pgbouncer.ini").write_text(text)
        (self.folder / "users.txt").write_text('"postgres" ""\n')
        owned = OWNED if os.getuid() == 0 and COMMAND == ["pgbouncer"] else []
        self.bouncer = Process(self.folder, "pgbouncer",
                               [*owned, *COMMAND, self.folder / "pgbouncer.ini"], {})
        self.url = f"postgres://postgres@127.0.0.1:{port}/postgres"

    def connections(self):
        """How many PgBouncer has open to PostgreSQL."""
        return int(self.postgres.sql(
            "select count(*) from pg_stat_activity where backend_type = 'client backend'"
            " and pid <> pg_backend_pid()"))

    def close(self):
        if self.bouncer:
            # At once, also through a container's client.
            self.bouncer.end(signal.SIGQUIT)
        self.postgres.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def transactions_pooled():
    version = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True)
    pooled = Pooled()
    try:
        with Stack(pooled, OFFERS_PATIENCE="5s",
                   DATABASE_LISTEN_URL=pooled.postgres.url) as stack:
            registration = {"username": "ann", "password": "correct horse"}
            user = json.loads(stack.ask(None, "POST", "/user/registry/", {
                **registration, "email": "a@example.org"})[2])["id"]

            def request(number):
                match number % 4:
                    case 0:
                        key = {"Idempotency-Key": f"key-{number}"}
                        return "POST", "/offer/create/", {
                            "user_id": user, "title": f"offer {number}", "text": "x"}, key
                    case 1 if number % 100 == 1:
                        return "POST", "/user/auth/", registration
                    case 2:
                        return "POST", "/offer/?limit=5", {"user_id": user}
                    case _:
                        return "GET", f"/user/{user}/?offers_limit=5"
            load = Load(stack, request)
            end = time.monotonic() + SECONDS
            until("the time is over", lambda: time.monotonic() > end, SECONDS + 5)
            most = pooled.connections()
            answers = load.stop()
            assert set(statuses(answers)) == {200, 201}, (
                statuses(answers), next(a for a in answers if a[2] not in (200, 201)))
            made = {json.loads(body)["id"] for _, _, status, body in answers if status == 201}
            rows = {int(id) for id in pooled.postgres.sql("select id from offers").splitlines()}
            assert made == rows, (len(made), len(rows))
            # Each instance of offers-api listens by a connection of its own.
            assert most <= POOL + 2, most
            return (f"{version.stdout.splitlines()[0]}: {statuses(answers)}, {most} connections to "
                    f"PostgreSQL for 4 instances")
    finally:
        pooled.close()


run(transactions_pooled)
