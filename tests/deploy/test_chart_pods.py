"""The pods: confined, probed, drained in time, within their resources."""

import re
from itertools import product

import pytest

from tests.deploy.chart import COMPONENTS, VALUES, Object, component_of, containers, find, of_kind, pods, render, workloads

pytestmark = pytest.mark.cluster

MEBIBYTES = {"Mi": 1, "Gi": 1024}


def cpu(text: str) -> int:
    """Thousandths of a CPU."""
    return int(text.removesuffix("m")) if text.endswith("m") else int(float(text) * 1000)


def memory(text: str) -> int:
    """MiB."""
    found = re.fullmatch(r"(\d+)(Mi|Gi)", text)
    assert found
    return int(found[1]) * MEBIBYTES[found[2]]


def container_of(objects: list[Object], component: str) -> Object:
    found: Object = workloads(objects, component)[0]["spec"]["template"]["spec"]["containers"][0]
    return found


@pytest.mark.parametrize("values", VALUES)
def test_every_pod_passes_the_restricted_level(values: str) -> None:
    """Each pod and container has what Pod Security `restricted` asks for, and a read-only root and no token besides."""
    for component, pod in pods(render(values)):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True, component
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        for container in containers(pod):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "privileged" not in context
        for volume in spec["volumes"]:
            assert set(volume) - {"name"} <= {"configMap", "emptyDir", "persistentVolumeClaim"}


@pytest.mark.parametrize("values", [name for name in VALUES if name != "all-off"])
def test_every_service_is_probed_without_asking_its_peers(values: str) -> None:
    """Startup and liveness ask /healthz, readiness /readyz, all on the container's own http port."""
    for one in workloads(render(values)):
        container = one["spec"]["template"]["spec"]["containers"][0]
        ports = {port["name"] for port in container["ports"]}
        asked = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")}
        assert {kind: probe["path"] for kind, probe in asked.items()} == {
            "startup": "/healthz",
            "readiness": "/readyz",
            "liveness": "/healthz",
        }
        assert {probe["port"] for probe in asked.values()} == {"http"} <= ports
        assert "enabled" not in container["startupProbe"]


def test_a_probe_may_go_its_own_way() -> None:
    """A probe that names a handler of its own keeps it, and one that is switched off is not there."""
    flags = ("--set", "edge.probes.readiness.grpc.port=50054,edge.probes.startup.enabled=false")
    container = container_of(render("default", *flags), "edge")
    assert container["readinessProbe"]["grpc"] == {"port": 50054}
    assert "httpGet" not in container["readinessProbe"]
    assert "startupProbe" not in container
    assert "livenessProbe" in container


def test_a_default_release_asks_for_half_a_cpu_and_one_and_a_half_gibibytes() -> None:
    """Requests of all pods add up to at most 500m and 1.5 GiB; memory is limited above them, the CPU is not."""
    asked = [container["resources"] for one in workloads(render()) for container in containers(one["spec"]["template"])]
    assert sum(cpu(one["requests"]["cpu"]) for one in asked) <= 500
    assert sum(memory(one["requests"]["memory"]) for one in asked) <= 1536
    for one in asked:
        assert set(one["limits"]) == {"memory"}
        assert memory(one["limits"]["memory"]) >= 1.5 * memory(one["requests"]["memory"])


@pytest.mark.parametrize("values", VALUES)
def test_no_pod_is_killed_while_it_drains(values: str) -> None:
    """The kubelet's patience is longer than the wait before SIGTERM and the service's own grace, with seconds to spare."""
    for one in workloads(render(values)):
        spec = one["spec"]["template"]["spec"]
        stop = spec["containers"][0].get("lifecycle", {}).get("preStop", {"sleep": {"seconds": 0}})
        name = next(volume["configMap"]["name"] for volume in spec["volumes"] if volume["name"] == "settings")
        settings = find(render(values), "ConfigMap", name)["data"]["settings.yaml"]
        grace = int(settings.split("grace_s: ")[1].split()[0])
        assert spec["terminationGracePeriodSeconds"] >= stop["sleep"]["seconds"] + grace + 3


def test_what_clients_reach_leaves_its_service_before_it_ends() -> None:
    """Edge and dashboard sleep before SIGTERM; the others begin to drain at once."""
    sleeping = {name for name in COMPONENTS if "lifecycle" in container_of(render(), name)}
    assert sleeping == {"edge", "dashboard"}


@pytest.mark.parametrize("values", ["default", "two-shards", "groups", "all-on"])
def test_a_drain_is_never_blocked(values: str) -> None:
    """Each component has one PodDisruptionBudget; it lets one pod go, also the only one, and any that is not ready. What the
    whole market waits for goes at once: with one at a time, two engines on one node would hold up its drain."""
    budgets = of_kind(render(values), "PodDisruptionBudget")
    assert len(budgets) == len(COMPONENTS)
    for budget in budgets:
        assert budget["spec"]["maxUnavailable"] == ("100%" if component_of(budget) in {"orderbook", "engine"} else 1)
        assert "minAvailable" not in budget["spec"]
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_only_tmp_and_what_is_kept_can_be_written() -> None:
    """No other writable volume is mounted than that of archive, journal or engine's state, and every pod has /tmp."""
    kept = {"archiver": {"/archive"}, "orderbook": {"/journal"}, "engine": {"/state"}}
    for component, pod in pods(render()):
        for container in containers(pod):
            writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
            assert writable == {"/tmp"} | kept.get(component, set())


def test_books_start_together_and_engines_one_after_the_other() -> None:
    """Shards start in parallel; there is one engine, and the archiver and it are never two at a time."""
    objects = render("two-shards")
    book, engine, archiver = (workloads(objects, name)[0] for name in ("orderbook", "engine", "archiver"))
    assert book["spec"]["replicas"] == 2
    assert book["spec"]["podManagementPolicy"] == "Parallel"
    for one in (engine, archiver):
        assert (one["kind"], one["spec"]["replicas"]) == ("StatefulSet", 1)


@pytest.mark.parametrize(
    ("flags", "image"),
    [
        ((), "marksim:dev"),
        (("--set", "image.tag="), "marksim:0.1.0"),
        (("--set", "image.registry=example.com:5000,image.tag=v3"), "example.com:5000/marksim:v3"),
        (("--set", "global.imageRegistry=g.example.com,image.registry=example.com"), "g.example.com/marksim:dev"),
        (("--set", "image.digest=sha256:" + "a" * 64), "marksim@sha256:" + "a" * 64),
    ],
)
def test_one_image_runs_everywhere(flags: tuple[str, ...], image: str) -> None:
    """All containers have the image that registry, repository, tag and digest name."""
    found = {container["image"] for _, pod in pods(render("default", *flags)) for container in containers(pod)}
    assert found == {image}


def test_pull_secrets_of_both_kinds_are_used() -> None:
    """Global pull secrets and the image's own stand in every pod."""
    for _, pod in pods(render("all-on")):
        assert pod["spec"]["imagePullSecrets"] == [{"name": "everywhere"}, {"name": "ours"}]


def test_prometheus_finds_pods_by_annotations_unless_a_monitor_does() -> None:
    """The annotations name the port that serves /metrics, and are gone where a monitor scrapes."""
    for values, annotated in (("default", True), ("all-on", False), ("all-off", False)):
        for one in workloads(render(values)):
            pod = one["spec"]["template"]
            annotations = pod["metadata"]["annotations"]
            ports = {port["name"]: port["containerPort"] for port in pod["spec"]["containers"][0]["ports"]}
            assert ("prometheus.io/scrape" in annotations) is annotated
            if annotated:
                assert annotations["prometheus.io/port"] == str(ports["http"])


@pytest.mark.parametrize(
    ("component", "key"),
    list(
        product(
            COMPONENTS,
            ["nodeSelector", "tolerations", "affinity", "priorityClassName", "topologySpreadConstraints", "securityContext"],
        )
    ),
)
def test_every_component_can_be_placed(component: str, key: str) -> None:
    """What `defaults` says of placing reaches each component's pods."""
    assert workloads(render("all-on"), component)[0]["spec"]["template"]["spec"][key]


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_component_can_be_extended(component: str) -> None:
    """Extra environment, volumes, mounts, labels, annotations and flags reach each component's pods."""
    one = workloads(render("all-on"), component)[0]
    pod = one["spec"]["template"]
    container = pod["spec"]["containers"][0]
    assert {"name": "PYTHONFAULTHANDLER", "value": "1"} in container["env"]
    assert container["envFrom"] == [{"configMapRef": {"name": "nowhere", "optional": True}}]
    assert {"name": "scratch", "emptyDir": {}} in pod["spec"]["volumes"]
    assert {"name": "scratch", "mountPath": "/scratch"} in container["volumeMounts"]
    assert container["args"][-1] == "--log-level=debug"
    assert one["metadata"]["labels"]["tier"] == "market"
    assert one["metadata"]["annotations"]["example.com/workload"] == "yes"
    assert pod["metadata"]["labels"]["zone"] == "simulated"
    assert pod["metadata"]["annotations"]["example.com/pod"] == "yes"


def test_a_components_own_value_goes_before_the_default() -> None:
    """A map is merged with the default, and a list replaces it."""
    flags = ("--set", "defaults.nodeSelector.a=x,edge.nodeSelector.b=y", "--set-json", "edge.topologySpreadConstraints=[]")
    spec = {name: workloads(render("default", *flags), name)[0]["spec"]["template"]["spec"] for name in ("edge", "memory")}
    assert spec["edge"]["nodeSelector"] == {"a": "x", "b": "y"}
    assert spec["memory"]["nodeSelector"] == {"a": "x"}
    assert "topologySpreadConstraints" not in spec["edge"]
    assert "topologySpreadConstraints" in spec["memory"]


def test_live_update_runs_a_writable_copy_of_the_package() -> None:
    """With dev.liveUpdate an init container fills /live, which Python looks into first; the root stays read-only."""
    for one in workloads(render("dev")):
        spec = one["spec"]["template"]["spec"]
        first, container = spec["initContainers"][0], spec["containers"][0]
        assert {"name": "live", "mountPath": "/live"} in first["volumeMounts"]
        assert {"name": "live", "mountPath": "/live"} in container["volumeMounts"]
        assert container["command"][:2] == ["/bin/sh", "-c"]
        assert 'PYTHONPATH="/live$' in container["command"][2]
        assert container["args"][1:] == ["--config", "/etc/marksim/settings/settings.yaml"]
    assert not any("initContainers" in one["spec"]["template"]["spec"] for one in workloads(render()))
