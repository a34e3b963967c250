"""Two instances of each service behind nginx, all on one PgBouncer in transaction mode: every
request succeeds, with fewer connections to PostgreSQL than the services have open. PGBOUNCER names
another command if `pgbouncer` is older than 1.21."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(f"{sys.path[0]}/../support")
from checks import run_checks
from clients import Load, count_statuses
from services import AS_POSTGRES_USER, Postgres, Process, Stack, fill_template, free_port

POOL_SIZE = 8
COMMAND = shlex.split(os.environ.get("PGBOUNCER", "pgbouncer"))
SECONDS = 20


class PooledPostgres:
    """A PostgreSQL behind a PgBouncer, which `url` leads to."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="classifieds-pool."))
        self.folder.chmod(0o755)
        self.postgres, self.bouncer = Postgres(self.folder / "postgres"), None
        port = free_port()
        values = {"DATABASE": "postgres", "SERVER": self.postgres.folder, "PORT": "5432",
                  "LISTEN_ADDRESS": "127.0.0.1", "LISTEN_PORT": port, "AUTH": "trust",
                  "USERS": self.folder / "users.txt", "POOL": POOL_SIZE}
        (self.folder / "pgbouncer.ini").write_text(fill_template("ops/pgbouncer.ini.template", values))
        (self.folder / "users.txt").write_text('"postgres" ""\n')
        user = AS_POSTGRES_USER if os.getuid() == 0 and COMMAND == ["pgbouncer"] else []
        self.bouncer = Process(self.folder, "pgbouncer",
                               [*user, *COMMAND, self.folder / "pgbouncer.ini"], {})
        self.url = f"postgres://postgres@127.0.0.1:{port}/postgres"

    def connections(self):
        """Returns how many connections PgBouncer has open to PostgreSQL."""
        return int(self.postgres.sql(
            "select count(*) from pg_stat_activity where backend_type = 'client backend'"
            " and pid <> pg_backend_pid()"))

    def close(self):
        if self.bouncer:
            # SIGQUIT ends it at once, also through a container's client.
            self.bouncer.stop(signal.SIGQUIT)
        self.postgres.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def services_work_with_pooled_transactions():
    version = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True)
    pooled = PooledPostgres()
    try:
        with Stack(pooled, OFFERS_PATIENCE="5s",
                   DATABASE_LISTEN_URL=pooled.postgres.url) as stack:
            user = stack.register()

            def request(number):
                match number % 4:
                    case 0:
                        key = {"Idempotency-Key": f"key-{number}"}
                        return "POST", "/offer/create/", {
                            "user_id": user, "title": f"offer {number}", "text": "x"}, key
                    case 1 if number % 100 == 1:
                        return "POST", "/user/auth/", {"username": "ann", "password": "correct horse"}
                    case 2:
                        return "POST", "/offer/?limit=5", {"user_id": user}
                    case _:
                        return "GET", f"/user/{user}/?offers_limit=5"
            load = Load(stack, request)
            time.sleep(SECONDS)
            connections = pooled.connections()
            responses = load.stop()
            counts = count_statuses(responses)
            assert set(counts) == {200, 201}, (counts, next(
                response for response in responses if response[2] not in (200, 201)))
            created = {json.loads(body)["id"] for _, _, status, body in responses if status == 201}
            rows = {int(id) for id in pooled.postgres.sql("select id from offers").splitlines()}
            assert created == rows, (len(created), len(rows))
            # Each instance of offers-api listens on a connection of its own.
            assert connections <= POOL_SIZE + 2, connections
            return (f"{version.stdout.splitlines()[0]}: {counts}, {connections} connections to "
                    f"PostgreSQL for 4 instances")
    finally:
        pooled.close()


run_checks(services_work_with_pooled_transactions)
