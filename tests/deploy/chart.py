"""Renders the Helm chart in several ways and checks the results: chart.py CHART. CHART is a folder or an archive.

Prints the settings of each way as NAME=value, with an empty line after each."""

import sys
from pathlib import Path

import helm_python as helm
import kubernetes_validate
import yaml

# Objects of an operator have no schema here.
WITHOUT_SCHEMA = {"ServiceMonitor"}
REDIS = {"store": "redis", "existingSecret": "redis"}
INGRESS = {"ingress": {"enabled": True, "host": "chat.example.org", "tlsSecret": "tls", "className": "nginx"}}
WAYS = [
    ({}, {"ConfigMap", "StatefulSet", "Service"}),
    ({"persistence": {"existingClaim": "mine"}, "existingSecret": "keys", "filesSecret": "files"}, {"ConfigMap", "StatefulSet", "Service"}),
    (REDIS, {"ConfigMap", "Deployment", "PodDisruptionBudget", "Service"}),
    (REDIS | {"replicas": 1}, {"ConfigMap", "Deployment", "Service"}),
    (
        REDIS
        | INGRESS
        | {
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "settings": {"BASE_PATH": "/chat", "MAX_CONNECTIONS": 1000000, "LOG_FORMAT": "text"},
            "filesSecret": "files",
            "nodeSelector": {"disk": "fast"},
            "tolerations": [{"key": "chat", "operator": "Exists"}],
            "podLabels": {"team": "chat"},
            "podAnnotations": {"note": "1"},
            "imagePullSecrets": [{"name": "registry"}],
        },
        {"ConfigMap", "Deployment", "PodDisruptionBudget", "Service", "Ingress", "ServiceMonitor"},
    ),
]
REFUSED = [
    {"store": "memory"},
    {"store": "redis"},
    {"replica": 3},
    {"settings": {"listen_addr": "x"}},
    {"settings": {"LISTEN_ADDR": "127.0.0.1:1"}},
    {"settings": {"TLS_CERT_FILE": "/tls/cert.pem"}},
    {"ingress": {"enabled": True}},
]


def rendered(chart: helm.Chart, values: dict) -> dict[str, dict]:
    """Returns the objects that an installation would create, by kind."""
    manifests = chart.render(values, name="livechat", namespace="chat")
    texts = [text for path, text in manifests.items() if not path.endswith("NOTES.txt")]
    objects = [part for text in texts for part in yaml.safe_load_all(text) if part]
    by_kind = {part["kind"]: part for part in objects}
    assert len(by_kind) == len(objects), [part["kind"] for part in objects]
    return by_kind


def check(objects: dict[str, dict]) -> None:
    for kind, part in objects.items():
        if kind not in WITHOUT_SCHEMA:
            kubernetes_validate.validate(part, "1.30", strict=True)
    pods = (objects.get("StatefulSet") or objects["Deployment"])["spec"]["template"]
    spec, container = pods["spec"], pods["spec"]["containers"][0]
    labels = pods["metadata"]["labels"]
    for selector in [objects["Service"]["spec"]["selector"], *(
        part["spec"]["selector"]["matchLabels"]
        for kind, part in objects.items()
        if kind in ("StatefulSet", "Deployment", "PodDisruptionBudget")
    )]:  # fmt: skip
        assert selector.items() <= labels.items(), (selector, labels)
    settings = objects["ConfigMap"]["data"]
    # src/app.rs allows four seconds in addition to DRAIN_SECONDS.
    stopping = container["lifecycle"]["preStop"]["sleep"]["seconds"] + int(settings["DRAIN_SECONDS"]) + 4
    assert spec["terminationGracePeriodSeconds"] > stopping
    assert spec["securityContext"]["runAsNonRoot"] and container["securityContext"]["readOnlyRootFilesystem"]
    # Whatever must be writable is a volume.
    mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
    claims = {claim["metadata"]["name"] for claim in objects.get("StatefulSet", {}).get("spec", {}).get("volumeClaimTemplates", [])}
    assert mounts == volumes | claims and ("DATA_DIR" in settings) == ("data" in mounts)


def leaves(values: dict, prefix: str = "") -> set[str]:
    found = set()
    for name, value in values.items():
        inner = leaves(value, f"{prefix}{name}.") if isinstance(value, dict) and name != "resources" else None
        found |= inner or {f"{prefix}{name}"}
    return found


path = sys.argv[1]
report = helm.lint(path, strict=True)
problems = [message for message in report["messages"] if message["severity"] > 1]
assert not problems and not report["errors"], report
with helm.Chart.load(path) as chart:
    assert chart.metadata["appVersion"] == chart.version
    print(f"VERSION={chart.version}\n")
    for values, kinds in WAYS:
        objects = rendered(chart, values)
        assert set(objects) == kinds, (values, set(objects))
        check(objects)
        print("".join(f"{name}={value}\n" for name, value in objects["ConfigMap"]["data"].items()))
    for values in REFUSED:
        try:
            chart.validate_schema(values)
            chart.render(values, name="livechat")
        except helm.HelmError:
            continue
        raise AssertionError(f"the chart accepts {values}")
    if Path(path).is_dir():
        documented = Path(path, "README.md").read_text()
        missing = [name for name in leaves(chart.values) if f"`{name}`" not in documented]
        assert not missing, missing
