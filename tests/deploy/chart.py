"""The chart, rendered and parsed, as its tests look at it."""

import functools
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import pytest
import yaml

from marksim.archiver.settings import ArchiverSettings
from marksim.dashboard.settings import DashboardSettings
from marksim.edge.settings import EdgeSettings
from marksim.engine.settings import EngineSettings
from marksim.memory.settings import MemorySettings
from marksim.orderbook.settings import OrderBookSettings
from marksim.runtime.settings import ServiceSettings

ROOT: Final = Path(__file__).resolve().parent.parent.parent
CHART: Final = ROOT / "deploy" / "helm" / "marksim"
COMPONENTS: Final = ("orderbook", "engine", "edge", "dashboard", "archiver", "memory")
SETTINGS: Final[dict[str, type[ServiceSettings]]] = {
    "archiver": ArchiverSettings,
    "dashboard": DashboardSettings,
    "edge": EdgeSettings,
    "engine": EngineSettings,
    "memory": MemorySettings,
    "orderbook": OrderBookSettings,
}
VALUES: Final = {path.name.removesuffix("-values.yaml"): path for path in sorted((CHART / "ci").glob("*-values.yaml"))} | {
    "dev": CHART / "values-dev.yaml"
}
NAMESPACE: Final = "market"
ADDRESS: Final = re.compile(rf"(?:ws://|http://|dns:)?([a-z0-9.-]+)\.{NAMESPACE}\.svc\.cluster\.local:(\d+)/?")
COMPONENT_LABEL: Final = "app.kubernetes.io/component"

Object = dict[str, Any]


def program(name: str) -> str:
    """Path of a program, or a failure that says what is missing: nothing of the chart is checked without it."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not on PATH; the tests of the chart need helm, kubeconform and go")
    return found


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program("helm"), *arguments], capture_output=True, text=True, timeout=50, check=False)


def template(
    values: str = "default", *flags: str, release: str = "rel", kubernetes: str = "1.34.0", chart: Path = CHART
) -> subprocess.CompletedProcess[str]:
    """`helm template` with one of VALUES and further flags."""
    target = ("--kube-version", kubernetes, "--namespace", NAMESPACE)
    return helm("template", release, str(chart), *target, "--values", str(VALUES[values]), *flags)


@functools.cache
def manifests(
    values: str = "default", *flags: str, release: str = "rel", kubernetes: str = "1.34.0", chart: Path = CHART
) -> str:
    done = template(values, *flags, release=release, kubernetes=kubernetes, chart=chart)
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(
    values: str = "default", *flags: str, release: str = "rel", kubernetes: str = "1.34.0", chart: Path = CHART
) -> list[Object]:
    """The objects of a release."""
    text = manifests(values, *flags, release=release, kubernetes=kubernetes, chart=chart)
    return [loaded for loaded in yaml.safe_load_all(text) if loaded]


def sentence(*flags: str, values: str = "default") -> str:
    """What helm says when it refuses these values."""
    done = template(values, *flags)
    assert done.returncode != 0, "helm took them"
    return done.stderr


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    return [one for one in objects if one["kind"] in kinds]


def find(objects: list[Object], kind: str, name: str) -> Object:
    found = [one for one in of_kind(objects, kind) if one["metadata"]["name"] == name]
    assert len(found) == 1, f"{kind} {name}: {len(found)} of {[one['metadata']['name'] for one in of_kind(objects, kind)]}"
    return found[0]


def component_of(one: Object) -> str:
    return str(one["metadata"]["labels"][COMPONENT_LABEL])


def workloads(objects: list[Object], component: str = "") -> list[Object]:
    """StatefulSets and Deployments."""
    return [one for one in of_kind(objects, "StatefulSet", "Deployment") if component in ("", component_of(one))]


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Component and pod template of every workload, and the test pod."""
    for one in workloads(objects):
        yield component_of(one), one["spec"]["template"]
    for one in of_kind(objects, "Pod"):
        yield component_of(one), one


def containers(pod: Object) -> list[Object]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def settings_of(objects: list[Object], workload: Object) -> str:
    """Text of the settings file that a workload's pods read."""
    volumes = {volume["name"]: volume for volume in workload["spec"]["template"]["spec"]["volumes"]}
    name = volumes["settings"]["configMap"]["name"]
    return cast(str, find(objects, "ConfigMap", name)["data"]["settings.yaml"])


def matches(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector of matchLabels takes these labels; an empty one takes all."""
    assert set(selector) <= {"matchLabels"}, selector
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def addresses(text: str) -> set[tuple[str, int]]:
    """Names of the release in a text, without what says namespace and cluster, and their ports."""
    return {(name, int(port)) for name, port in ADDRESS.findall(text)}
