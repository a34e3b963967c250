"""Checks the manifests in ops/kubernetes without a cluster: each object against its own schema of
Kubernetes, the Gateway API or Traefik, strictly, and the names that they refer to. Needs PyPI and npm
once, for the schemas."""

import json
import subprocess
import sys
import tempfile
import tomllib

sys.path.append(f"{sys.path[0]}/../support")
from checks import run_checks
from services import BINARIES, ROOT, TARGET
from tools import install_python_packages

FOLDER = ROOT / "ops/kubernetes"
PROGRAMS = install_python_packages("kubernetes", "kubernetes-validate==1.37.0")
# Created by the operator: see kustomization.yaml.
EXTERNAL = {("ConfigMap", "inside-ca"), *(("Secret", name) for name in (
    "database-migration", "database-users-api", "database-offers-api", "tls-users-api", "tls-offers-api", "edge"))}
# Kinds that Kubernetes itself does not have, by group.
MODELS = {"gateway.networking.k8s.io": "gateway-api@2.0.0", "traefik.io": "traefik@2.0.0"}


def read_yaml(*files):
    """Returns the objects of each file."""
    read = ("import json, sys, yaml;"
            "print(json.dumps([list(yaml.safe_load_all(open(file))) for file in sys.argv[1:]]))")
    return json.loads(subprocess.run([PROGRAMS / "python", "-c", read, *files], check=True, text=True,
                                     stdout=subprocess.PIPE).stdout)


def read_manifests():
    """Returns the files that the kustomization names, and all of their objects."""
    [[kustomization]] = read_yaml(FOLDER / "kustomization.yaml")
    named = [FOLDER / name for name in kustomization["resources"]]
    existing = set(FOLDER.glob("*.yaml")) - {FOLDER / "kustomization.yaml"}
    assert existing == set(named), f"not in kustomization.yaml: {existing ^ set(named)}"
    return named, [manifest for file in read_yaml(*named) for manifest in file]


def manifests_match_the_schemas():
    _, manifests = read_manifests()
    models = [manifest for manifest in manifests if manifest["apiVersion"].split("/")[0] in MODELS]
    versions = ("1.30.0", "1.37.0")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"apiVersion": "v1", "kind": "List", "items": [
            manifest for manifest in manifests if manifest not in models]}, file)
        file.flush()
        for version in versions:
            subprocess.run([PROGRAMS / "kubernetes-validate", "--strict", "--quiet", "--no-warn",
                            "-k", version, file.name], check=True)
    folder = TARGET / "kubernetes-models"
    packages = [f"@kubernetes-models/{package}" for package in MODELS.values()]
    subprocess.run(["npm", "install", "--silent", "--prefix", folder, "--cache", TARGET / "npm", *packages], check=True)
    subprocess.run(["node", ROOT / "tests/ops/models.mjs", folder], check=True, text=True, input=json.dumps(models))
    return f"{len(manifests)} objects, by the schemas of {' and '.join(versions)}, {' and '.join(MODELS.values())}"


def references(value, found):
    """Adds every object that a value refers to, as a pair of kind and name, and returns `found`."""
    kinds = {"secretKeyRef": "Secret", "configMapRef": "ConfigMap", "scaleTargetRef": "Deployment",
             "backendRefs": "Service", "certificateRefs": "Secret", "parentRefs": "Gateway",
             "middlewares": "Middleware", "extensionRef": "", "targetRefs": "", "caCertificateRefs": ""}
    if isinstance(value, list):
        for item in value:
            references(item, found)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key in kinds:
                found.update((item.get("kind", kinds[key]), item["name"])
                             for item in (inner if isinstance(inner, list) else [inner]))
            elif key in ("secretName", "claimName"):
                found.add(("Secret" if key == "secretName" else "PersistentVolumeClaim", inner))
            references(inner, found)
    return found


def references_resolve():
    _, manifests = read_manifests()
    existing = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests} | EXTERNAL
    missing = references(manifests, set()) - existing
    assert not missing, missing
    ports = {(manifest["metadata"]["name"], port["port"]) for manifest in manifests
             if manifest["kind"] == "Service" for port in manifest["spec"]["ports"]}
    for manifest in manifests:
        if manifest["kind"] == "HTTPRoute":
            for rule in manifest["spec"]["rules"]:
                for backend in rule.get("backendRefs", []):
                    assert (backend["name"], backend["port"]) in ports, backend
    pods = [manifest["spec"]["template"]["metadata"]["labels"] for manifest in manifests
            if manifest["kind"] == "Deployment"]
    for manifest in manifests:
        if manifest["kind"] in ("Service", "PodDisruptionBudget"):
            selector = manifest["spec"]["selector"]
            labels = selector.get("matchLabels", selector)
            assert any(labels.items() <= pod.items() for pod in pods), manifest


def variables_are_settings_of_the_service():
    _, manifests = read_manifests()
    shared = next(manifest["data"] for manifest in manifests if manifest["kind"] == "ConfigMap")
    for manifest in manifests:
        if manifest["kind"] != "Deployment":
            continue
        [container] = manifest["spec"]["template"]["spec"]["containers"]
        service = manifest["metadata"]["name"]
        usage = subprocess.run([BINARIES / service, "--help"], check=True, capture_output=True, text=True).stdout
        for name in [*shared, *(variable["name"] for variable in container["env"])]:
            assert f"[env: {name}" in usage, (service, name)


def images_have_the_version_of_the_workspace():
    _, manifests = read_manifests()
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    for manifest in manifests:
        if manifest["kind"] in ("Deployment", "Job"):
            [container] = manifest["spec"]["template"]["spec"]["containers"]
            assert container["image"] == f"classifieds/{manifest['metadata']['name']}:{version}", container["image"]


run_checks(manifests_match_the_schemas, references_resolve, variables_are_settings_of_the_service,
           images_have_the_version_of_the_workspace)
