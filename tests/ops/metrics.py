"""What a service counts: the form of it, and that nobody looks at what is not there."""

import json
import re
import subprocess

from stack import ROOT, Stack
from suite import run

SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: # .*)?")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\.)*)"(?:,|$)')
SUFFIXES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_count", "_sum"]}
# Words of the query language, and what Prometheus itself knows.
KNOWN = {"sum", "by", "rate", "max", "histogram_quantile", "and", "label_values", "up"}


def parsed(text):
    """Reads the OpenMetrics text format; the labels by the names of the samples."""
    assert text.endswith("# EOF\n"), text[-100:]
    types, found, buckets = {}, {}, {}
    for line in text.splitlines()[:-1]:
        if line.startswith("# "):
            _, word, name, rest = line.split(" ", 3)
            assert word in ("TYPE", "HELP", "UNIT"), line
            if word == "TYPE":
                assert name not in types, line
                types[name] = rest
            continue
        name, labels, value = SAMPLE.fullmatch(line).groups()
        family = next((f for f, kind in types.items() if any(
            name == f + suffix for suffix in SUFFIXES[kind])), None)
        assert family, f"{line}: of no type"
        pairs = dict(LABEL.findall(labels or ""))
        assert LABEL.sub("", labels or "") == "", line
        if name.endswith("_bucket"):
            key = (name, *sorted(pair for pair in pairs.items() if pair[0] != "le"))
            assert float(value) >= buckets.get(key, 0), f"{line}: less than the bucket before"
            buckets[key] = float(value)
        else:
            float(value)
        found.setdefault(name, set()).update(pairs)
    return found


def expressions():
    dashboard = json.loads((ROOT / "ops/dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["definition"]
    rules = (ROOT / "ops/alerts.yml").read_text()
    for name, text in re.findall(r"alert: (\w+)\n\s+expr: (?:>-\n)?((?:.|\n)*?)\n\s+for:", rules):
        yield name, text


def names_exist():
    with Stack("sqlite", nginx=False) as stack:
        users, offers = stack.ports["users-1"], stack.ports["offers-1"]
        body = {"username": "ann", "password": "correct horse", "email": "a@example.org"}
        user = json.loads(stack.ask(users, "POST", "/user/registry/", body)[2])["id"]
        stack.ask(offers, "POST", "/offer/create/", {"user_id": user, "title": "a", "text": "b"})
        stack.ask(users, "GET", f"/user/{user}/")
        found = {}
        for port in (users, offers):
            _, headers, text = stack.ask(port, "GET", "/metrics")
            assert headers["Content-Type"].startswith("application/openmetrics-text"), headers
            for name, labels in parsed(text.decode()).items():
                found.setdefault(name, set()).update(labels)
    looked = 0
    for where, text in expressions():
        # What stands in quotes, in brackets, or after `by` is no metric.
        bare = re.sub(r'"[^"]*"', "", text)
        for name, labels in re.findall(r"([a-z_]+)\{([^}]*)\}", bare):
            for label in re.findall(r"([a-z]+)(?:=|!)", labels):
                known = found.get(name, set()) | {"job", "instance"}
                assert label in known, f"{where}: {name} has no label {label}"
        bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\bby \([^)]*\)|, job\)", "", bare)
        for name in set(re.findall(r"[a-z][a-z_]+", bare)) - KNOWN:
            assert name in found, f"{where}: there is no {name}"
            looked += 1
    assert looked > 20, looked
    return f"{looked} names"


def promtool_accepts():
    for what in (["check", "rules", "ops/alerts.yml"],
                 ["check", "config", "--syntax-only", "ops/prometheus.yml"]):
        found = subprocess.run(["promtool", *what], cwd=ROOT, capture_output=True, text=True)
        assert found.returncode == 0, found.stdout + found.stderr


run(names_exist, promtool_accepts)
