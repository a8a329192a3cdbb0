"""Options that are off by default: doors, scaling, volumes, monitors, dashboards, the release test."""

import json
import shutil
from pathlib import Path

import pytest
import typer
import yaml

from marksim import release_test
from tests.deploy.chart import CHART, COMPONENTS, component_of, find, of_kind, render, settings_of, workloads

pytestmark = pytest.mark.cluster

RELIED_ON = {"job", "namespace", "pod", "release", "component"}
"""Labels that dashboards and alerts rely on; a monitor gives namespace and pod by itself. deploy/prometheus has the same."""


def test_doors_lead_to_the_right_port() -> None:
    """Ingress and HTTPRoute of edge and dashboard name a port of the component's Service."""
    objects = render("all-on")
    for component, port in (("edge", "websocket"), ("dashboard", "page")):
        name = f"rel-marksim-{component}"
        ports = {one["name"]: one["port"] for one in find(objects, "Service", name)["spec"]["ports"]}
        for rule in find(objects, "Ingress", name)["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                assert path["backend"]["service"] == {"name": name, "port": {"name": port}}
        for rule in find(objects, "HTTPRoute", name)["spec"]["rules"]:
            assert rule["backendRefs"] == [{"name": name, "port": ports[port]}]


def test_nothing_is_let_in_from_outside_by_default() -> None:
    """Without being asked the chart makes no Ingress, route, node port or load balancer."""
    objects = render()
    assert not of_kind(objects, "Ingress", "HTTPRoute", "HorizontalPodAutoscaler")
    assert {one["spec"].get("type", "ClusterIP") for one in of_kind(objects, "Service")} == {"ClusterIP"}


def test_scaling_by_load_leaves_the_number_of_edges_alone() -> None:
    """With the autoscaler the Deployment names no replicas, which an upgrade would set back."""
    objects = render("all-on")
    assert "replicas" not in workloads(objects, "edge")[0]["spec"]
    scaler = find(objects, "HorizontalPodAutoscaler", "rel-marksim-edge")["spec"]
    assert scaler["scaleTargetRef"]["name"] == workloads(objects, "edge")[0]["metadata"]["name"]
    assert {metric["resource"]["name"] for metric in scaler["metrics"]} == {"cpu", "memory"}


def test_service_ports_can_be_moved_without_the_pods_noticing() -> None:
    """A Service's port changes for its callers; the container's stays."""
    objects = render("default", "--set", "edge.service.ports.websocket=80")
    port = find(objects, "Service", "rel-marksim-edge")["spec"]["ports"]
    assert [(one["port"], one["targetPort"]) for one in port if one["name"] == "websocket"] == [(80, "websocket")]
    feed = yaml.safe_load(find(objects, "ConfigMap", "rel-marksim-dashboard")["data"]["settings.yaml"])["feed"]
    assert feed == "ws://rel-marksim-edge.market.svc.cluster.local:80/"


def test_a_service_can_be_exposed() -> None:
    """Type, node port, policy, class and source ranges reach the Services that ask for them."""
    objects = render("all-on")
    edge, page = (find(objects, "Service", f"rel-marksim-{name}")["spec"] for name in ("edge", "dashboard"))
    assert (edge["type"], edge["externalTrafficPolicy"]) == ("NodePort", "Local")
    assert {one["name"]: one.get("nodePort") for one in edge["ports"]}["websocket"] == 30765
    assert (page["type"], page["loadBalancerClass"]) == ("LoadBalancer", "example.com/lb")
    assert page["loadBalancerSourceRanges"] == ["192.0.2.0/24"]


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort"])
def test_what_only_load_balancers_have_is_left_out_elsewhere(kind: str) -> None:
    """Kubernetes refuses class and source ranges beside another type."""
    page = find(render("all-on", "--set", f"dashboard.service.type={kind}"), "Service", "rel-marksim-dashboard")["spec"]
    assert not {"loadBalancerClass", "loadBalancerSourceRanges"} & set(page)


def test_doors_of_the_examples_lead_to_the_root() -> None:
    """The feed and the page are at `/`; without a rewrite another path would find nothing."""
    for one in of_kind(render("all-on"), "Ingress"):
        assert {path["path"] for rule in one["spec"]["rules"] for path in rule["http"]["paths"]} == {"/"}


@pytest.mark.parametrize("component", ["edge", "dashboard", "memory"])
def test_a_strategy_has_only_what_its_type_has(component: str) -> None:
    """Recreate comes without rollingUpdate, which Kubernetes would refuse beside it; RollingUpdate keeps it."""
    recreated = render("default", "--set", f"{component}.strategy.type=Recreate")
    assert workloads(recreated, component)[0]["spec"]["strategy"] == {"type": "Recreate"}
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert workloads(render(), component)[0]["spec"]["strategy"] == rolling
    assert workloads(render("all-on"), "memory")[0]["spec"]["strategy"] == {"type": "Recreate"}


def test_the_archive_outlives_the_release() -> None:
    """The claim is retained when the StatefulSet goes, and takes class, size and mode from the values."""
    spec = workloads(render(), "archiver")[0]["spec"]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    claim = spec["volumeClaimTemplates"][0]["spec"]
    assert (claim["accessModes"], claim["resources"]["requests"]["storage"]) == (["ReadWriteOnce"], "10Gi")
    assert "storageClassName" not in claim
    chosen = workloads(render("all-on"), "archiver")[0]["spec"]
    assert chosen["volumeClaimTemplates"][0]["spec"]["storageClassName"] == "fast"
    assert chosen["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete"


def test_the_archive_can_be_on_a_claim_that_exists_or_on_none() -> None:
    """existingClaim is mounted instead of a new one; without persistence the archive ends with the pod."""

    def archive(values: str, *flags: str) -> tuple[object, bool]:
        spec = workloads(render(values, *flags), "archiver")[0]["spec"]
        volumes = {volume.pop("name"): volume for volume in spec["template"]["spec"]["volumes"]}
        return volumes.get("archive"), "volumeClaimTemplates" in spec

    assert archive("default") == (None, True)
    assert archive("groups") == ({"persistentVolumeClaim": {"claimName": "my-archive"}}, False)
    assert archive("default", "--set", "archiver.persistence.enabled=false") == ({"emptyDir": {}}, False)


@pytest.mark.parametrize(("component", "volume"), [("orderbook", "journal"), ("engine", "state")])
def test_journal_and_state_outlive_their_pods(component: str, volume: str) -> None:
    """Each pod has a claim of its own for what it goes on from, or an emptyDir without persistence; its settings name it."""
    spec = workloads(render(), component)[0]["spec"]
    claim = spec["volumeClaimTemplates"][0]
    assert claim["metadata"]["name"] == volume and "storageClassName" not in claim["spec"]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    chosen = workloads(render("all-on"), component)[0]["spec"]["volumeClaimTemplates"][0]["spec"]
    assert chosen["storageClassName"] == "fast"
    off = workloads(render("default", "--set", f"{component}.persistence.enabled=false"), component)[0]["spec"]
    assert "volumeClaimTemplates" not in off
    assert {"name": volume, "emptyDir": {}} in off["template"]["spec"]["volumes"]
    objects = render()
    settings = yaml.safe_load(settings_of(objects, workloads(objects, component)[0]))
    assert settings[volume] == f"/{volume}"


def test_another_scenario_or_sharding_is_another_run_and_a_restart_is_not() -> None:
    """The order books' new_run follows scenario, shards, groups and newRun, and nothing else."""

    def token(*flags: str) -> str:
        objects = render("default", *flags)
        return str(yaml.safe_load(settings_of(objects, workloads(objects, "orderbook")[0]))["new_run"])

    present = token()
    assert token("--set", "orderbook.resources.limits.memory=2Gi", "--set", "log.level=debug") == present
    for flag in ("scenario.name=quiet", "scenario.seed=7", "orderbook.shards=2", "newRun=b"):
        assert token("--set", flag) != present


@pytest.mark.parametrize("kind", ["serviceMonitor", "podMonitor"])
def test_a_monitor_finds_each_component_once(kind: str) -> None:
    """A ServiceMonitor selects one Service of each component, a PodMonitor the pods; both scrape the http port."""
    objects = render("default", "--set", f"metrics.{kind}.enabled=true")
    monitor = of_kind(objects, kind[0].upper() + kind[1:])[0]["spec"]
    wanted = monitor["selector"]["matchLabels"].items()
    if kind == "serviceMonitor":
        taken = [one for one in of_kind(objects, "Service") if wanted <= one["metadata"]["labels"].items()]
        endpoints = monitor["endpoints"]
    else:
        taken = [one for one in workloads(objects) if wanted <= one["spec"]["template"]["metadata"]["labels"].items()]
        endpoints = monitor["podMetricsEndpoints"]
    assert sorted(component_of(one) for one in taken) == sorted(COMPONENTS)
    assert [(one["port"], one["path"]) for one in endpoints] == [("http", "/metrics")]
    assert {one["targetLabel"] for one in endpoints[0]["relabelings"]} | {"namespace", "pod"} == RELIED_ON


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A copy of the chart with a dashboard and an alert of the test's own."""
    copy = tmp_path / "marksim"
    shutil.copytree(CHART, copy)
    shutil.rmtree(copy / "files" / "dashboards", ignore_errors=True)
    (copy / "files" / "dashboards").mkdir()
    (copy / "files" / "dashboards" / "market.json").write_text(json.dumps({"title": "{{ price }}", "panels": []}))
    rules = [
        {"alert": "Lag", "expr": "lag > 1", "labels": {"severity": "page"}, "annotations": {"summary": "{{ $labels.pod }}"}},
        {"record": "a:b", "expr": "1"},
    ]
    (copy / "files" / "alerts.yaml").write_text(yaml.safe_dump({"groups": [{"name": "marksim", "rules": rules}]}))
    return copy


def test_dashboards_are_config_maps_for_the_sidecar(chart: Path) -> None:
    """Each JSON file is a ConfigMap with the sidecar's label; its text is passed on as it is."""
    found = find(render("all-on", chart=chart), "ConfigMap", "rel-marksim-grafana-market")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["annotations"]["grafana_folder"] == "marksim"
    assert json.loads(found["data"]["market.json"]) == {"title": "{{ price }}", "panels": []}


def test_alerts_are_a_rule_with_the_labels_asked_for(chart: Path) -> None:
    """Rules are passed on with their own templates; alerts get the extra labels, recordings do not."""
    rule = of_kind(render("all-on", chart=chart), "PrometheusRule")[0]
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    alert, record = rule["spec"]["groups"][0]["rules"]
    assert alert["labels"] == {"severity": "page", "team": "markets"}
    assert alert["annotations"]["summary"] == "{{ $labels.pod }}"
    assert "labels" not in record


def test_alerts_say_where_to_read_on() -> None:
    """Without a base they name the page, with one they have its URL, and then nothing else."""

    def said(*flags: str) -> list[dict[str, str]]:
        rule = of_kind(render("default", "--set", "metrics.prometheusRule.enabled=true", *flags), "PrometheusRule")[0]
        return [alert["annotations"] for group in rule["spec"]["groups"] for alert in group["rules"]]

    paths = [annotations["runbook"] for annotations in said()]
    assert not any("runbook_url" in annotations for annotations in said())
    for end in ("", "/"):
        linked = said("--set", f"metrics.prometheusRule.runbookBaseUrl=https://git.example.com/main{end}")
        assert [one["runbook_url"] for one in linked] == [f"https://git.example.com/main/{path}" for path in paths]
        assert not any("runbook" in annotations for annotations in linked)


def test_without_files_there_is_nothing_to_install(chart: Path) -> None:
    """A copy of the chart without dashboards and alerts renders all the same."""
    shutil.rmtree(chart / "files" / "dashboards")
    (chart / "files" / "alerts.yaml").unlink()
    objects = render("all-on", chart=chart)
    assert not of_kind(objects, "PrometheusRule")
    assert not [one for one in of_kind(objects, "ConfigMap") if "grafana" in one["metadata"]["name"]]


def test_monitoring_objects_may_live_elsewhere() -> None:
    """A monitor with a namespace of its own still looks into the release's."""
    monitor = of_kind(render("all-on", "--set", "metrics.serviceMonitor.namespace=monitoring"), "ServiceMonitor")[0]
    assert monitor["metadata"]["namespace"] == "monitoring"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["market"]}


def test_the_release_test_is_a_pod_of_our_image() -> None:
    """`helm test` runs release-test against all shards, the engine, the edge and the memory monitor."""
    pod = of_kind(render("two-shards"), "Pod")[0]
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert pod["spec"]["restartPolicy"] == "Never"
    command, *flags = pod["spec"]["containers"][0]["args"]
    assert command == "release-test"
    told = dict(flag.removeprefix("--").split("=", 1) for flag in flags)
    assert set(told) == {"orderbook", "engine", "edge", "memory"}
    assert len(told["orderbook"].split(",")) == 2
    assert not of_kind(render("all-off"), "Pod")


@pytest.mark.parametrize("values", ["default", "two-shards", "groups"])
def test_the_release_test_understands_its_flags(values: str) -> None:
    """Each flag is one that release-test has."""
    app = typer.Typer()
    app.command()(release_test.run)
    _, *flags = of_kind(render(values), "Pod")[0]["spec"]["containers"][0]["args"]
    assert typer.main.get_command(app).make_context("release-test", flags).params["edge"].startswith("ws://")


def test_the_release_test_leaves_out_what_is_not_there() -> None:
    """Without edge and memory monitor their addresses are empty, which leaves those steps out."""
    flags = ("--set", "edge.enabled=false,dashboard.enabled=false,memory.enabled=false")
    args = of_kind(render("default", *flags), "Pod")[0]["spec"]["containers"][0]["args"]
    assert {"--edge=", "--memory="} <= set(args)


def test_extra_objects_are_templates() -> None:
    """Further objects come as maps or as text, and may use the release's values."""
    objects = render("all-on")
    assert find(objects, "ConfigMap", "rel-extra")
    assert find(objects, "ConfigMap", "rel-text")
