"""All objects together: valid, labelled, named for their release, the same each time."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.chart import (
    CHART,
    COMPONENT_LABEL,
    ROOT,
    VALUES,
    Object,
    helm,
    manifests,
    matches,
    of_kind,
    program,
    render,
    template,
    workloads,
)

pytestmark = pytest.mark.cluster

INSTANCE = "app.kubernetes.io/instance"
LONG = "a-release-whose-name-is-as-long-as-helm-allows-53-ch"


@pytest.fixture(scope="session")
def schemas() -> Path:
    folder = ROOT / "build" / "kube-schemas"
    if not folder.is_dir():
        pytest.fail("build/kube-schemas is not there; `make chart-test` makes it")
    return folder


def conform(text: str, schemas: Path) -> subprocess.CompletedProcess[str]:
    location = f"{schemas}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    command = [program("kubeconform"), "-strict", "-summary", "-schema-location", location, "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=50, check=False)


@pytest.mark.parametrize("values", VALUES)
def test_every_object_is_one_that_kubernetes_takes(values: str, schemas: Path) -> None:
    """All manifests pass the strict schemas of their kinds, and none is skipped."""
    done = conform(manifests(values), schemas)
    assert done.returncode == 0, done.stdout
    assert f"Valid: {len(render(values))}, Invalid: 0, Errors: 0, Skipped: 0" in done.stdout


def test_the_schemas_refuse_an_unknown_field(schemas: Path) -> None:
    """A misspelt field of a pod would be found."""
    wrong = manifests().replace("readOnlyRootFilesystem:", "readOnlyRootFileSystem:")
    done = conform(wrong, schemas)
    assert done.returncode == 1
    assert "readOnlyRootFileSystem" in done.stdout


@pytest.mark.parametrize("values", VALUES)
def test_lint_finds_nothing(values: str) -> None:
    """`helm lint --strict` passes."""
    done = helm("lint", "--strict", "--quiet", str(CHART), "--values", str(VALUES[values]), "--kube-version", "1.34.0")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("values", VALUES)
def test_the_same_values_give_the_same_text(values: str) -> None:
    """Rendering twice gives equal bytes, so an upgrade without a change changes nothing."""
    assert template(values).stdout == template(values).stdout != ""


@pytest.mark.parametrize("values", VALUES)
def test_every_object_carries_the_recommended_labels(values: str) -> None:
    """Name, instance, version, component, part-of, managed-by and chart stand on each object of the chart's own."""
    wanted = {f"app.kubernetes.io/{key}" for key in ("name", "instance", "version", "component", "part-of", "managed-by")}
    for one in render(values):
        if one["metadata"]["name"] not in {"rel-extra", "rel-text"}:
            assert wanted | {"helm.sh/chart"} <= set(one["metadata"]["labels"]), one["metadata"]["name"]


def test_common_labels_and_annotations_reach_everything() -> None:
    """What is common stands on each object and each pod."""
    objects = [one for one in render("all-on") if one["metadata"]["name"] not in {"rel-extra", "rel-text"}]
    everything = objects + [one["spec"]["template"] for one in workloads(objects)]
    for one in everything:
        assert one["metadata"]["labels"]["team"] == "markets"
        assert one["metadata"]["annotations"]["example.com/owner"] == "markets"


@pytest.mark.parametrize("values", VALUES)
def test_each_workload_selects_its_own_pods_and_no_others(values: str) -> None:
    """A selector takes the pods of its workload only, and holds nothing that an upgrade changes."""
    objects = render(values)
    for one in workloads(objects):
        selector = one["spec"]["selector"]
        assert "helm.sh/chart" not in selector["matchLabels"]
        assert "app.kubernetes.io/version" not in selector["matchLabels"]
        taken = [other for other in workloads(objects) if matches(selector, other["spec"]["template"]["metadata"]["labels"])]
        assert taken == [one]


def test_an_upgrade_changes_no_selector() -> None:
    """Selectors and claims stay the same when image, common labels and scenario change; Kubernetes would refuse it."""

    def fixed(flags: tuple[str, ...]) -> list[object]:
        found = workloads(render("default", *flags))
        return [
            (one["spec"]["selector"], one["spec"].get("serviceName"), one["spec"].get("volumeClaimTemplates"))
            for one in found
        ]

    assert fixed(()) == fixed(("--set", "image.tag=v2,commonLabels.team=b,scenario.seed=9,defaults.podLabels.a=b"))


@pytest.mark.parametrize("values", ["default", "groups", "all-on"])
def test_two_releases_share_a_namespace(values: str) -> None:
    """No two objects of two releases have one name, and no selector takes the other's pods."""
    one, other = render(values, release="one"), render(values, release="other")
    names = [{(x["kind"], x["metadata"]["name"]) for x in objects} for objects in (one, other)]
    assert names[0] & names[1] == ({("ServiceAccount", "market")} if values == "all-on" else set())
    theirs = [x["spec"]["template"]["metadata"]["labels"] for x in workloads(other)]
    for x in of_kind(one, "Service", "NetworkPolicy", "PodDisruptionBudget"):
        selector = x["spec"].get("podSelector") or x["spec"]["selector"]
        labels = selector.get("matchLabels", selector)
        assert labels[INSTANCE] == "one"
        assert not any(matches({"matchLabels": labels}, pod) for pod in theirs)


def test_long_names_stay_within_bounds_and_apart() -> None:
    """Names of long releases are cut to what their kinds allow, and two that begin alike stay two."""
    ends = [render("groups", release=LONG[:52] + end) for end in "ab"]
    for objects in ends:
        for one in objects:
            limit = 52 if one["kind"] == "StatefulSet" else 63
            assert len(one["metadata"]["name"]) <= limit
    first, second = ({(one["kind"], one["metadata"]["name"]) for one in objects} for objects in ends)
    assert not first & second


def test_names_can_be_overridden() -> None:
    """nameOverride changes the label and the middle of names, fullnameOverride the whole beginning."""
    named = render("default", "--set", "nameOverride=exchange")
    assert {one["metadata"]["labels"]["app.kubernetes.io/name"] for one in named} == {"exchange"}
    assert all(one["metadata"]["name"].startswith("rel-exchange") for one in named)
    full = render("default", "--set", "fullnameOverride=x")
    assert {one["metadata"]["name"].split("-")[0] for one in full} == {"x"}
    assert all(one["metadata"]["name"].startswith("marksim") for one in render(release="marksim"))


def test_nothing_asks_for_permissions() -> None:
    """There are no roles, and the service account mounts no token."""
    for values in VALUES:
        objects = render(values)
        assert not of_kind(objects, "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
        for account in of_kind(objects, "ServiceAccount"):
            assert account["automountServiceAccountToken"] is False


def test_a_minimal_release_is_an_order_book_and_an_engine() -> None:
    """With everything optional off, only what trades is left."""
    objects = render("all-off")
    assert {one["metadata"]["labels"][COMPONENT_LABEL] for one in objects} == {"orderbook", "engine"}
    assert {one["kind"] for one in objects} == {"ConfigMap", "Service", "StatefulSet"}


@pytest.mark.parametrize("kubernetes", ["1.27.0", "1.30.0-gke.100", "1.34.0"])
def test_old_and_new_clusters_are_served(kubernetes: str) -> None:
    """The chart renders for each version that it says it supports; the kubelet sleeps before SIGTERM from 1.30 on."""
    edge = workloads(render(kubernetes=kubernetes), "edge")[0]
    stop = edge["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"]
    assert set(stop) == ({"exec"} if kubernetes == "1.27.0" else {"sleep"})


@pytest.fixture(scope="module")
def noted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the chart in which the notes, which `helm template` leaves out, are a template like any other."""
    chart = tmp_path_factory.mktemp("noted") / "marksim"
    shutil.copytree(CHART, chart)
    notes = (chart / "templates" / "NOTES.txt").read_text()
    (chart / "templates" / "_shown.tpl").write_text(f'{{{{ define "notes" }}}}{notes}{{{{ end }}}}')
    (chart / "templates" / "shown.yaml").write_text('{kind: Notes, text: {{ include "notes" . | toJson }}}')
    return chart


def notes_of(objects: list[Object]) -> str:
    return next(str(one["text"]) for one in objects if one["kind"] == "Notes")


def test_notes_give_commands_for_what_is_there(noted: Path) -> None:
    """Every Service or pod that the notes forward to is one of the release."""
    objects = render("two-shards", chart=noted)
    text = notes_of(objects)
    forwarded = [line.split("port-forward ")[1].split() for line in text.splitlines() if "port-forward" in line]
    services = {f"svc/{one['metadata']['name']}" for one in of_kind(objects, "Service")}
    ordinals = {
        f"pod/{one['metadata']['name']}-{n}" for one in workloads(objects) for n in range(one["spec"].get("replicas", 1))
    }
    assert {target for target, _ in forwarded} <= services | ordinals
    assert len(forwarded) == 6
    assert len({ports.split(":")[0] for _, ports in forwarded}) == 6


def test_notes_name_the_doors_that_are_open(noted: Path) -> None:
    """Addresses of Ingress and HTTPRoute, with TLS where the host has it, and load balancers; none where there are none."""
    opened, closed = notes_of(render("all-on", chart=noted)), notes_of(render(chart=noted))
    for address in (
        "wss://feed.example.com/",
        "ws://example.com/",
        "http://page.example.com/",
        "http://<host of the gateway>/",
    ):
        assert f"  {address}\n" in opened
    assert "get svc rel-marksim-dashboard\n" in opened and "get svc rel-marksim-edge" not in opened
    assert not any(word in closed for word in ("Ingress", "HTTPRoute", "EXTERNAL-IP"))
    engines = render("groups", "--set", "engine.service.type=LoadBalancer", chart=noted)
    balanced = {line.split()[-1] for line in notes_of(engines).splitlines() if "get svc" in line}
    assert balanced == {"rel-marksim-engine-bitcoin", "rel-marksim-engine-ether"}


def test_notes_speak_of_the_label_only_where_it_counts(noted: Path) -> None:
    """Where other peers may call gRPC, or nobody, the label would do nothing."""
    said = "--labels=marksim.io/grpc-client=true"
    assert said in notes_of(render(chart=noted))
    for clients in ("[]", '[{"podSelector":{}}]', '[{"podSelector":{"matchLabels":{"app":"bot"}}}]'):
        assert said not in notes_of(render("default", "--set-json", f"networkPolicy.grpcClients={clients}", chart=noted))


def test_notes_ask_for_a_symbol_only_where_it_is_known(noted: Path) -> None:
    """BTC/USD on shard 0 is certain with one shard and a ready scenario; else every shard is asked for what it has."""
    assert '"symbol": "BTC/USD"' in notes_of(render(chart=noted))
    for values in ("all-on", "two-shards"):
        text = notes_of(render(values, chart=noted))
        assert "BTC/USD" not in text and text.count("ListInstruments") == (2 if values == "two-shards" else 1)


def test_numbers_as_names_stay_text(schemas: Path) -> None:
    """A release, namespace, group or chart named by digits makes valid objects, where Service names allow it."""
    group = 'engine.groups=[{"name":"1","symbols":["BTC/USD"],"shards":[0]}]'
    values = "fullnameOverride=market,orderbook.assign.BTC/USD=0,metrics.serviceMonitor.enabled=true"
    flags = ("--set", values, "--set-json", group, "--set-string", "nameOverride=789", "--namespace", "456")
    text = manifests("default", *flags, release="123")
    done = conform(text, schemas)
    assert done.returncode == 0, done.stdout
    objects = [one for one in yaml.safe_load_all(text) if one]
    assert {one["metadata"]["labels"][INSTANCE] for one in objects} == {"123"}
    assert {one["metadata"]["namespace"] for one in objects} == {"456"}
    assert of_kind(objects, "ServiceMonitor")[0]["spec"]["namespaceSelector"] == {"matchNames": ["456"]}


@pytest.mark.parametrize("release", ["123", "a.b"])
def test_release_names_that_no_service_can_have_are_refused(release: str) -> None:
    """Helm takes them; the sentence says what to do, and fullnameOverride helps."""
    done = template(release=release)
    assert done.returncode != 0 and "choose another release name, or set fullnameOverride" in done.stderr
    assert render("default", "--set", "fullnameOverride=market", release=release)


def test_the_package_version_is_the_charts() -> None:
    """appVersion is the version in pyproject.toml."""
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert f'version = "{version}"' in (ROOT / "pyproject.toml").read_text()
