"""The format of /metrics, and that the dashboard and the alert rules name existing metrics."""

import json
import re
import subprocess
import sys

sys.path.append(f"{sys.path[0]}/../support")
from checks import run_checks
from services import ROOT, Stack

SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: # .*)?")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\.)*)"(?:,|$)')
SUFFIXES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_count", "_sum"]}
# Keywords of the query language, and metrics of Prometheus itself.
BUILT_IN = {"sum", "by", "rate", "increase", "max", "histogram_quantile", "and", "label_values", "up"}


def parse_openmetrics(text):
    """Parses the OpenMetrics text format, and returns the label names by the name of the sample."""
    assert text.endswith("# EOF\n"), text[-100:]
    types, labels_by_name, buckets = {}, {}, {}
    for line in text.splitlines()[:-1]:
        if line.startswith("# "):
            _, keyword, name, rest = line.split(" ", 3)
            assert keyword in ("TYPE", "HELP", "UNIT"), line
            if keyword == "TYPE":
                assert name not in types, line
                types[name] = rest
            continue
        name, labels, value = SAMPLE.fullmatch(line).groups()
        family = next((f for f, kind in types.items() if any(
            name == f + suffix for suffix in SUFFIXES[kind])), None)
        assert family, f"{line}: has no type"
        pairs = dict(LABEL.findall(labels or ""))
        assert LABEL.sub("", labels or "") == "", line
        if name.endswith("_bucket"):
            key = (name, *sorted(pair for pair in pairs.items() if pair[0] != "le"))
            assert float(value) >= buckets.get(key, 0), f"{line}: less than the previous bucket"
            buckets[key] = float(value)
        else:
            float(value)
        labels_by_name.setdefault(name, set()).update(pairs)
    return labels_by_name


def expressions():
    """Yields the query of each panel, variable and alert, with its name."""
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


def dashboard_and_alerts_name_existing_metrics():
    with Stack("sqlite", nginx=False) as stack:
        users, offers = stack.ports["users-1"], stack.ports["offers-1"]
        user = stack.register(port=users)
        stack.request("POST", "/offer/create/", {"user_id": user, "title": "a", "text": "b"}, port=offers)
        stack.request("GET", f"/user/{user}/", port=users)
        metrics = {}
        for port in (users, offers):
            _, headers, text = stack.request("GET", "/metrics", port=port)
            assert headers["Content-Type"].startswith("application/openmetrics-text"), headers
            for name, labels in parse_openmetrics(text.decode()).items():
                metrics.setdefault(name, set()).update(labels)
    checked = 0
    for where, text in expressions():
        # Words in quotes, in brackets, or after `by` are not metrics.
        bare = re.sub(r'"[^"]*"', "", text)
        for name, labels in re.findall(r"([a-z_]+)\{([^}]*)\}", bare):
            for label in re.findall(r"([a-z]+)(?:=|!)", labels):
                known = metrics.get(name, set()) | {"job", "instance"}
                assert label in known, f"{where}: {name} has no label {label}"
        bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\bby \([^)]*\)|, job\)", "", bare)
        for name in set(re.findall(r"[a-z][a-z_]+", bare)) - BUILT_IN:
            assert name in metrics, f"{where}: there is no {name}"
            checked += 1
    assert checked > 20, checked
    return f"{checked} names"


def promtool_accepts_the_configuration():
    for arguments in (["check", "rules", "ops/alerts.yml"],
                      ["check", "config", "--syntax-only", "ops/prometheus.yml"]):
        done = subprocess.run(["promtool", *arguments], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


run_checks(dashboard_and_alerts_name_existing_metrics, promtool_accepts_the_configuration)
