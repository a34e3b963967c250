"""PostgreSQL on three nodes by Patroni with etcd, behind HAProxy, all on loopback: the primary
killed under writes, and then the roles changed on purpose. No write that was acknowledged is lost,
and no service is restarted. Needs the packages patroni, etcd-server and haproxy."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from load import Load, good_since, statuses
from stack import ROOT, Process, Stack, free_port, postgres_programs, until
from suite import run

NODES = ("one", "two", "three")
PASSWORD = "only on loopback"
# PostgreSQL refuses to run as root.
OWNED = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"]


def filled(name, values):
    text = (ROOT / "ops/patroni" / f"{name}.template").read_text()
    for key, value in values.items():
        text = text.replace("${%s}" % key, str(value))
    assert "${" not in text, text
    return text


class Cluster:
    """Three nodes, etcd and HAProxy. `url` leads to the primary."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="classifieds-cluster."))
        self.folder.chmod(0o755)
        self.processes, self.ports, self.rest = {}, {}, {}
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self):
        client, peer = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self.processes["etcd"] = Process(self.folder, "etcd", [
            "etcd", "--name=etcd", "--data-dir", self.folder / "etcd",
            f"--listen-client-urls=http://{client}", f"--advertise-client-urls=http://{client}",
            f"--listen-peer-urls=http://{peer}", f"--initial-advertise-peer-urls=http://{peer}",
            f"--initial-cluster=etcd=http://{peer}"], {})
        until("etcd answers", lambda: self.get(f"http://{client}/health") is not None)
        for name in NODES:
            self.ports[name], self.rest[name] = free_port(), free_port()
            own = self.folder / name
            own.mkdir()
            (self.folder / f"{name}.yml").write_text(filled("patroni.yml", {
                "NAME": name, "HOST": "127.0.0.1", "PORT": self.ports[name], "ETCD": client,
                "REST_PORT": self.rest[name], "BIN": postgres_programs(), "DATA": own / "data",
                "SOCKETS": own, "PASSWORD": f'"{PASSWORD}"', "NETWORK": "127.0.0.0/8"}))
            shutil.chown(own, "postgres")
        for name in NODES:
            self.start(name)
            # The first makes the cluster, the others copy it.
            until(f"{name} runs", lambda: self.get(self.url_of(name, "health")) == 200, 120)
        until("a standby is synchronous", self.synchronous, 120)
        listen = free_port()
        nodes = {f"NODE_{n}": f"{name} 127.0.0.1:{self.ports[name]}"
                 for n, name in enumerate(NODES, 1)}
        rest = {f"REST_{n}": self.rest[name] for n, name in enumerate(NODES, 1)}
        (self.folder / "haproxy.cfg").write_text(
            filled("haproxy.cfg", {"LISTEN": f"127.0.0.1:{listen}", **nodes, **rest}))
        self.processes["haproxy"] = Process(self.folder, "haproxy", [
            "haproxy", "-db", "-f", self.folder / "haproxy.cfg"], {})
        password = PASSWORD.replace(" ", "%20")
        self.url = f"postgres://postgres:{password}@127.0.0.1:{listen}/postgres"
        # It takes all for primaries until it has looked, and asks them in turn.
        until("HAProxy has found the primary", lambda: all(
            self.sql("select pg_is_in_recovery()", listen) == "f" for _ in NODES))

    def start(self, name):
        self.processes[name] = Process(self.folder, name, [
            *OWNED, "patroni", self.folder / f"{name}.yml"],
            {"HOME": str(self.folder / name), "LC_ALL": "C.UTF-8"})

    def url_of(self, name, path):
        return f"http://127.0.0.1:{self.rest[name]}/{path}"

    def get(self, url, body=None):
        """The status of an answer; nothing where none came."""
        data = json.dumps(body).encode() if body else None
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data), timeout=30) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def primary(self):
        return next((name for name in NODES if self.get(self.url_of(name, "primary")) == 200), None)

    def synchronous(self):
        return any(self.get(self.url_of(name, "synchronous")) == 200 for name in NODES)

    def sql(self, text, port=None):
        """One statement on the primary; its rows as text, or nothing where it failed."""
        port = port or self.ports[until("there is a primary", self.primary)]
        found = subprocess.run(
            [postgres_programs() / "psql", "-XAtq", "-h", "127.0.0.1", "-p", str(port), "-U",
             "postgres", "-c", text, "postgres"], capture_output=True, text=True,
            env={**os.environ, "PGPASSWORD": PASSWORD, "PGCONNECT_TIMEOUT": "2"})
        return found.stdout.strip() if found.returncode == 0 else None

    def kill(self, name):
        """As if the machine lost its power: Patroni and PostgreSQL, with no word to anybody."""
        postmaster = int((self.folder / name / "data/postmaster.pid").read_text().split()[0])
        self.processes[name].end()
        os.kill(postmaster, signal.SIGKILL)

    def close(self):
        for name in NODES:
            if name in self.processes:
                # It takes its PostgreSQL along.
                self.processes[name].end(signal.SIGTERM)
        for process in self.processes.values():
            process.end()
        shutil.rmtree(self.folder, ignore_errors=True)


def under_writes(change, rate=100):
    cluster = Cluster()
    try:
        with Stack(cluster, OFFERS_PATIENCE="5s") as stack:
            user = json.loads(stack.ask(None, "POST", "/user/registry/", {
                "username": "ann", "password": "correct horse", "email": "a@example.org"})[2])["id"]
            before = {name: service.child.pid for name, service in stack.services.items()}

            def request(number):
                return "POST", "/offer/create/", {
                    "user_id": user, "title": f"offer {number}", "text": "x"}
            load = Load(stack, request, rate=rate)
            until("writes go on", lambda: len(load.answers) > 3 * rate)
            old = cluster.primary()
            moment = time.monotonic()
            change(cluster, old)
            until("another is primary", lambda: cluster.primary() not in (None, old), 60)
            took = time.monotonic() - moment

            def again():
                good = [begin for begin, _, status, _ in load.answers[-50:] if status == 201]
                return len(good) == 50 and good[0] > moment + 1
            until("writes are good again", again, 60)
            answers = load.stop()
            after = {name: service.child.pid for name, service in stack.services.items()
                     if service.child.poll() is None}
            assert after == before, "a service ended"
            found, bad = statuses(answers), good_since(answers, moment)
            assert set(found) <= {201, 503}, found
            assert bad <= 30, f"writes failed until {bad:.1f} s after"
            acknowledged = {json.loads(body)["id"] for _, _, status, body in answers
                            if status == 201}
            kept = {int(id) for id in cluster.sql("select id from offers").splitlines()}
            assert acknowledged <= kept, f"{len(acknowledged - kept)} are lost"
            twice = cluster.sql("select count(*) from (select title from offers group by title"
                                " having count(*) > 1) as twice")
            assert twice == "0", f"{twice} are there twice"
            return (f"{found}, {len(acknowledged)} acknowledged and all there, new primary after "
                    f"{took:.1f} s, last failure {bad:.1f} s after")
    finally:
        cluster.close()


def primary_killed():
    def change(cluster, primary):
        cluster.kill(primary)
    return under_writes(change)


def roles_changed():
    """What precedes the maintenance of a machine."""
    def change(cluster, primary):
        until("the roles are changed", lambda: cluster.get(
            cluster.url_of(primary, "switchover"), {"leader": primary}) == 200)
    return under_writes(change)


run(primary_killed, roles_changed)
