"""PostgreSQL on three nodes by Patroni with etcd, behind HAProxy, all on loopback: the primary
killed under writes, and then a switchover. No acknowledged write is lost, and no service restarts. Needs the packages patroni, etcd-server and haproxy."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.path.append(f"{sys.path[0]}/../support")
from checks import run_checks
from clients import Load, count_statuses, seconds_to_last_failure
from services import AS_POSTGRES_USER, Process, Stack, fill_template, free_port, postgres_programs, wait_until

NODES = ("one", "two", "three")
PASSWORD = "only on loopback"


class Cluster:
    """Three nodes, etcd and HAProxy. `url` leads to the primary."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="classifieds-cluster."))
        self.folder.chmod(0o755)
        self.processes, self.ports, self.rest_ports = {}, {}, {}
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
        wait_until("etcd responds", lambda: self.request_status(f"http://{client}/health") is not None)
        for name in NODES:
            self.ports[name], self.rest_ports[name] = free_port(), free_port()
            folder = self.folder / name
            folder.mkdir()
            (self.folder / f"{name}.yml").write_text(fill_template("ops/patroni/patroni.yml.template", {
                "NAME": name, "HOST": "127.0.0.1", "PORT": self.ports[name], "ETCD": client,
                "REST_PORT": self.rest_ports[name], "BIN": postgres_programs(), "DATA": folder / "data",
                "SOCKETS": folder, "PASSWORD": f'"{PASSWORD}"', "NETWORK": "127.0.0.0/8"}))
            shutil.chown(folder, "postgres")
        for name in NODES:
            self.start(name)
            # The first node creates the cluster, the others copy it.
            wait_until(f"{name} runs", lambda: self.request_status(self.url_of(name, "health")) == 200, 120)
        wait_until("a standby is synchronous", self.has_synchronous_standby, 120)
        listen = free_port()
        nodes = {f"NODE_{n}": f"{name} 127.0.0.1:{self.ports[name]}"
                 for n, name in enumerate(NODES, 1)}
        rest_ports = {f"REST_{n}": self.rest_ports[name] for n, name in enumerate(NODES, 1)}
        (self.folder / "haproxy.cfg").write_text(
            fill_template("ops/patroni/haproxy.cfg.template", {
                "LISTEN": f"127.0.0.1:{listen}", "LISTEN_STANDBYS": f"127.0.0.1:{free_port()}", **nodes, **rest_ports}))
        self.processes["haproxy"] = Process(self.folder, "haproxy", [
            "haproxy", "-db", "-f", self.folder / "haproxy.cfg"], {})
        password = PASSWORD.replace(" ", "%20")
        self.url = f"postgres://postgres:{password}@127.0.0.1:{listen}/postgres"
        # It takes every node for a primary until it has checked, and sends connections to each in turn.
        wait_until("HAProxy has found the primary", lambda: all(
            self.sql("select pg_is_in_recovery()", listen) == "f" for _ in NODES))

    def start(self, name):
        self.processes[name] = Process(self.folder, name, [
            *AS_POSTGRES_USER, "patroni", self.folder / f"{name}.yml"],
            {"HOME": str(self.folder / name), "LC_ALL": "C.UTF-8"})

    def url_of(self, name, path):
        return f"http://127.0.0.1:{self.rest_ports[name]}/{path}"

    def request_status(self, url, body=None):
        """Sends a request, and returns the status, or None if there was no response."""
        data = json.dumps(body).encode() if body else None
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data), timeout=30) as response:
                return response.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def primary(self):
        """Returns the name of the primary, or None if there is none."""
        return next((name for name in NODES if self.request_status(self.url_of(name, "primary")) == 200), None)

    def has_synchronous_standby(self):
        return any(self.request_status(self.url_of(name, "synchronous")) == 200 for name in NODES)

    def sql(self, text, port=None):
        """Runs one statement on the primary, and returns its rows as text, or None if it failed."""
        port = port or self.ports[wait_until("there is a primary", self.primary)]
        done = subprocess.run(
            [postgres_programs() / "psql", "-XAtq", "-h", "127.0.0.1", "-p", str(port), "-U",
             "postgres", "-c", text, "postgres"], capture_output=True, text=True,
            env={**os.environ, "PGPASSWORD": PASSWORD, "PGCONNECT_TIMEOUT": "2"})
        return done.stdout.strip() if done.returncode == 0 else None

    def kill(self, name):
        """Kills Patroni and PostgreSQL at once, as a power failure of the machine would."""
        postmaster = int((self.folder / name / "data/postmaster.pid").read_text().split()[0])
        self.processes[name].stop()
        os.kill(postmaster, signal.SIGKILL)

    def close(self):
        for name in NODES:
            if name in self.processes:
                # Patroni stops its PostgreSQL.
                self.processes[name].stop(signal.SIGTERM)
        for process in self.processes.values():
            process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def keep_acknowledged_writes(change, rate=100):
    """Changes the primary under writes, and checks that every acknowledged write is kept."""
    cluster = Cluster()
    try:
        with Stack(cluster, OFFERS_PATIENCE="5s") as stack:
            user = stack.register()
            before = stack.process_ids()

            def request(number):
                return "POST", "/offer/create/", {
                    "user_id": user, "title": f"offer {number}", "text": "x"}
            load = Load(stack, request, rate=rate)
            wait_until("writes continue", lambda: len(load.responses) > 3 * rate)
            old = cluster.primary()
            moment = time.monotonic()
            change(cluster, old)
            wait_until("another node is primary", lambda: cluster.primary() not in (None, old), 60)
            seconds = time.monotonic() - moment

            def has_recovered():
                succeeded = [start for start, _, status, _ in load.responses[-50:] if status == 201]
                return len(succeeded) == 50 and succeeded[0] > moment + 1
            wait_until("writes succeed again", has_recovered, 60)
            responses = load.stop()
            assert stack.process_ids() == before, "a service ended"
            counts, last_failure = count_statuses(responses), seconds_to_last_failure(responses, moment)
            assert set(counts) <= {201, 503}, counts
            assert last_failure <= 30, f"the last write failed after {last_failure:.1f} s"
            acknowledged = {json.loads(body)["id"] for _, _, status, body in responses
                            if status == 201}
            kept = {int(id) for id in cluster.sql("select id from offers").splitlines()}
            assert acknowledged <= kept, f"{len(acknowledged - kept)} are lost"
            duplicates = cluster.sql("select count(*) from (select title from offers group by title"
                                     " having count(*) > 1) as duplicates")
            assert duplicates == "0", f"{duplicates} are duplicated"
            return (f"{counts}, {len(acknowledged)} acknowledged and all kept, new primary after "
                    f"{seconds:.1f} s, last failure after {last_failure:.1f} s")
    finally:
        cluster.close()


def acknowledged_writes_survive_a_killed_primary():
    def change(cluster, primary):
        cluster.kill(primary)
    return keep_acknowledged_writes(change)


def acknowledged_writes_survive_a_switchover():
    """A switchover is done before the maintenance of a machine."""
    def change(cluster, primary):
        wait_until("the switchover is done", lambda: cluster.request_status(
            cluster.url_of(primary, "switchover"), {"leader": primary}) == 200)
    return keep_acknowledged_writes(change)


run_checks(acknowledged_writes_survive_a_killed_primary, acknowledged_writes_survive_a_switchover)
