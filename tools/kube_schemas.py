"""Writes JSON schemas of Kubernetes objects for kubeconform, strict ones, from where their makers publish them.

    kube_schemas.py FOLDER

Kubernetes' own objects come from its OpenAPI file, those of the Gateway API and of the Prometheus operator from their
CustomResourceDefinitions; all three are Go modules, so that Go fetches them and checks their sums. The definitions go into
FOLDER/definitions as well, for a cluster that lacks them.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import yaml

KUBERNETES: Final = "k8s.io/kubernetes@v1.34.0"
OPENAPI: Final = "api/openapi-spec/swagger.json"
GATEWAY: Final = "sigs.k8s.io/gateway-api@v1.3.0"
OPERATOR: Final = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
CUSTOM: Final = (
    (GATEWAY, "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"),
    (OPERATOR, "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"),
    (OPERATOR, "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml"),
    (OPERATOR, "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"),
)
PREFIX: Final = "#/definitions/"
NUMBER_OR_TEXT: Final = {"anyOf": [{"type": "string"}, {"type": "number"}]}

Schema = dict[str, Any]


def fetched(module: str) -> Path:
    """Folder of a Go module."""
    told = subprocess.run(["go", "mod", "download", "-json", module], check=True, capture_output=True, text=True)
    return Path(json.loads(told.stdout)["Dir"])


def strict(schema: Any) -> Any:
    """The schema with unknown fields refused, and numbers allowed where Kubernetes takes a number or a text."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "int-or-string":
        return NUMBER_OR_TEXT
    made = {key: strict(value) for key, value in schema.items()}
    if isinstance(made.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made


def references(schema: Any) -> Iterator[str]:
    """Names of the definitions that a schema points to."""
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].removeprefix(PREFIX)
        for value in schema.values():
            yield from references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from references(item)


def closure(name: str, definitions: dict[str, Schema]) -> dict[str, Schema]:
    """A definition and all that it needs."""
    found: dict[str, Schema] = {}
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found[one] = definitions[one]
            waiting += references(definitions[one])
    return found


def own_kinds() -> Iterator[tuple[str, Schema]]:
    """File name and schema of each kind of Kubernetes itself."""
    openapi = json.loads((fetched(KUBERNETES) / OPENAPI).read_text(encoding="utf-8"))
    definitions: dict[str, Schema] = {name: strict(schema) for name, schema in openapi["definitions"].items()}
    definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = NUMBER_OR_TEXT
    for name, schema in openapi["definitions"].items():
        kinds = schema.get("x-kubernetes-group-version-kind", [])
        # An object has metadata of its own; lists and options have not. One name stands for one kind.
        if (len(kinds) == 1 and "spec" in schema.get("properties", {})) or name.endswith((".ConfigMap", ".ServiceAccount")):
            kind = kinds[0]
            yield (
                file_name(kind["kind"], kind["group"], kind["version"]),
                {"$ref": PREFIX + name, "definitions": closure(name, definitions)},
            )


def custom_kinds(definitions: Iterable[str]) -> Iterator[tuple[str, Schema]]:
    """The same of what is defined by CustomResourceDefinitions."""
    for text in definitions:
        definition = yaml.safe_load(text)["spec"]
        for version in definition["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            # What metadata holds is not part of a definition.
            schema["properties"]["metadata"] = {"type": "object"}
            yield file_name(definition["names"]["kind"], definition["group"], version["name"]), schema


def file_name(kind: str, group: str, version: str) -> str:
    """What kubeconform asks for with {{.ResourceKind}}{{.KindSuffix}}."""
    suffix = f"{group.split('.', maxsplit=1)[0]}-{version}" if group else version
    return f"{kind.lower()}-{suffix}.json"


def main() -> None:
    """Write one file a kind."""
    folder = Path(sys.argv[1])
    definitions = {Path(path).name: (fetched(module) / path).read_text(encoding="utf-8") for module, path in CUSTOM}
    (folder / "definitions").mkdir(parents=True, exist_ok=True)
    for name, text in definitions.items():
        (folder / "definitions" / name).write_text(text, encoding="utf-8")
    for name, schema in (*own_kinds(), *custom_kinds(definitions.values())):
        (folder / name).write_text(json.dumps(schema), encoding="utf-8")


if __name__ == "__main__":
    main()
