"""The manifests in ops/kubernetes against the schemas of Kubernetes, with no cluster: each object
by its own schema, strictly, and names that lead somewhere. Needs PyPI once, for the schemas."""

import json
import subprocess
import venv

from stack import ROOT
from suite import run

FOLDER = ROOT / "ops/kubernetes"
TOOLS = ROOT / "target/kubernetes"
# Made outside: see kustomization.yaml.
OUTSIDE = {("Secret", "database"), ("Secret", "inside"), ("Secret", "edge")}


def python(*arguments):
    return subprocess.run([TOOLS / "bin/python", *arguments], check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def tools():
    if not (TOOLS / "bin/kubernetes-validate").exists():
        venv.create(TOOLS, with_pip=True)
        python("-m", "pip", "install", "--quiet", "kubernetes-validate==1.37.0")


def objects():
    """Every object of the files that the kustomization names."""
    read = ("import json, sys, yaml;"
            "print(json.dumps([list(yaml.safe_load_all(open(file))) for file in sys.argv[1:]]))")
    [[kustomization]] = json.loads(python("-c", read, FOLDER / "kustomization.yaml"))
    named = [FOLDER / name for name in kustomization["resources"]]
    there = set(FOLDER.glob("*.yaml")) - {FOLDER / "kustomization.yaml"}
    assert there == set(named), f"not in kustomization.yaml: {there ^ set(named)}"
    return named, [one for file in json.loads(python("-c", read, *named)) for one in file]


def schemas():
    named, found = objects()
    versions = ("1.30.0", "1.37.0")
    for version in versions:
        subprocess.run([TOOLS / "bin/kubernetes-validate", "--strict", "--quiet", "--no-warn",
                        "-k", version, *named], check=True)
    return f"{len(found)} objects, by the schemas of {' and '.join(versions)}"


def references(value, found):
    """All objects that a value names: pairs of kind and name."""
    kinds = {"secretKeyRef": "Secret", "configMapRef": "ConfigMap", "scaleTargetRef": "Deployment",
             "service": "Service"}
    if isinstance(value, list):
        for one in value:
            references(one, found)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key in kinds and isinstance(inner, dict):
                found.add((kinds[key], inner["name"]))
            elif key in ("secretName", "claimName"):
                found.add(("Secret" if key == "secretName" else "PersistentVolumeClaim", inner))
            references(inner, found)
    return found


def names_lead_somewhere():
    _, found = objects()
    there = {(one["kind"], one["metadata"]["name"]) for one in found} | OUTSIDE
    missing = references(found, set()) - there
    assert not missing, missing
    pods = [one["spec"]["template"]["metadata"]["labels"] for one in found
            if one["kind"] == "Deployment"]
    for one in found:
        if one["kind"] in ("Service", "PodDisruptionBudget"):
            selector = one["spec"]["selector"]
            labels = selector.get("matchLabels", selector)
            assert any(labels.items() <= pod.items() for pod in pods), one


def settings_are_known():
    """Each variable is one that the service lists."""
    _, found = objects()
    shared = next(one["data"] for one in found if one["kind"] == "ConfigMap")
    for one in found:
        if one["kind"] != "Deployment":
            continue
        [container] = one["spec"]["template"]["spec"]["containers"]
        binary = ROOT / "target/debug" / one["metadata"]["name"]
        known = subprocess.run([binary, "--help"], check=True, capture_output=True,
                               text=True).stdout
        for name in [*shared, *(variable["name"] for variable in container["env"])]:
            assert f"[env: {name}" in known, (one["metadata"]["name"], name)


tools()
run(schemas, names_lead_somewhere, settings_are_known)
