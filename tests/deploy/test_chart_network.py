"""The NetworkPolicies, evaluated: who reaches whom."""

from dataclasses import dataclass

import pytest

from tests.deploy.chart import (
    COMPONENTS,
    VALUES,
    Object,
    addresses,
    component_of,
    matches,
    of_kind,
    pods,
    render,
    settings_of,
    workloads,
)

pytestmark = pytest.mark.cluster

DNS = {"k8s-app": "kube-dns"}


@dataclass(frozen=True)
class Pod:
    """Somebody in the cluster; `namespace` is "market" for the release's own."""

    labels: tuple[tuple[str, str], ...]
    namespace: str = "market"


STRANGER = Pod((("app", "stranger"),))
FOREIGNER = Pod((("app", "stranger"),), "elsewhere")
BOT = Pod((("marksim.io/grpc-client", "true"),))


def pod_of(objects: list[Object], component: str) -> Pod:
    labels = next(pod["metadata"]["labels"] for name, pod in pods(objects) if name == component)
    return Pod(tuple(sorted(labels.items())))


def is_peer(peer: Object, pod: Pod) -> bool:
    if "ipBlock" in peer:
        return False
    if "namespaceSelector" in peer:
        named = {"kubernetes.io/metadata.name": pod.namespace}
        return matches(peer["namespaceSelector"], named) and matches(peer.get("podSelector", {}), dict(pod.labels))
    return pod.namespace == "market" and matches(peer["podSelector"], dict(pod.labels))


def allowed(objects: list[Object], direction: str, pod: Pod, other: Pod, port: int, protocol: str = "TCP") -> bool:
    """Whether the policies that select `pod` let it be reached by (ingress), or reach (egress), `other` at a port."""
    side = {"ingress": "from", "egress": "to"}[direction]
    chosen = [one for one in of_kind(objects, "NetworkPolicy") if matches(one["spec"]["podSelector"], dict(pod.labels))]
    rules = [rule for one in chosen for rule in one["spec"].get(direction, [])]
    return not chosen or any(
        (side not in rule or any(is_peer(peer, other) for peer in rule[side]))
        and ("ports" not in rule or {"port": port, "protocol": protocol} in rule["ports"])
        for rule in rules
    )


def reaches(objects: list[Object], client: Pod, server: Pod, port: int) -> bool:
    out = client.namespace != "market" or allowed(objects, "egress", client, server, port)
    return out and allowed(objects, "ingress", server, client, port)


@pytest.mark.parametrize("values", [name for name in VALUES if name != "all-off"])
def test_every_pod_has_one_policy_for_both_directions(values: str) -> None:
    """No pod of the release, the test's included, is without rules for what comes in and what goes out."""
    objects = render(values)
    for component, pod in pods(objects):
        labels = pod["metadata"]["labels"]
        chosen = [one for one in of_kind(objects, "NetworkPolicy") if matches(one["spec"]["podSelector"], labels)]
        assert [one["spec"]["policyTypes"] for one in chosen] == [["Ingress", "Egress"]], component


@pytest.mark.parametrize("values", [name for name in VALUES if name != "all-off"])
def test_whoever_is_told_an_address_may_reach_it(values: str) -> None:
    """For each address in a service's settings or the release test's arguments, both ends' policies let it pass."""
    objects = render(values)
    told = {component_of(one): settings_of(objects, one) for one in workloads(objects)}
    told |= {component_of(one): "\n".join(one["spec"]["containers"][0]["args"]) for one in of_kind(objects, "Pod")}
    for component, text in told.items():
        client = pod_of(objects, component)
        for name, port in addresses(text):
            server = next(other for other in COMPONENTS if f"-{other}" in name)
            assert reaches(objects, client, pod_of(objects, server), port), f"{component} -> {name}:{port}"


@pytest.mark.parametrize("component", COMPONENTS)
def test_whoever_calls_by_name_may_ask_dns(component: str) -> None:
    """All but the order book, which calls nobody, reach DNS over UDP and TCP; nobody reaches the world."""
    objects = render()
    pod, dns, world = pod_of(objects, component), Pod(tuple(DNS.items()), "kube-system"), Pod((), "world")
    for protocol in ("UDP", "TCP"):
        assert allowed(objects, "egress", pod, dns, 53, protocol) is (component != "orderbook")
    assert not allowed(objects, "egress", pod, world, 443)


GRPC = {"orderbook": 50051, "engine": 50052, "archiver": 50053, "edge": 50054, "dashboard": 50055, "memory": 50056}


@pytest.mark.parametrize(("component", "port"), GRPC.items())
def test_only_named_peers_reach_grpc(component: str, port: int) -> None:
    """A stranger is kept out, in this namespace and in others; a pod with the label for it is let in."""
    objects = render()
    server = pod_of(objects, component)
    assert not reaches(objects, STRANGER, server, port)
    assert not reaches(objects, FOREIGNER, server, port)
    assert reaches(objects, BOT, server, port)
    assert not reaches(render("default", "--set-json", "networkPolicy.grpcClients=[]"), BOT, server, port)


def test_consumers_of_the_feed_cannot_trade() -> None:
    """The dashboard reads the edge and has no way to the order book or the engine."""
    objects = render()
    dashboard = pod_of(objects, "dashboard")
    assert reaches(objects, dashboard, pod_of(objects, "edge"), 8765)
    assert not reaches(objects, dashboard, pod_of(objects, "orderbook"), 50051)
    assert not reaches(objects, dashboard, pod_of(objects, "engine"), 50052)


@pytest.mark.parametrize(
    ("feed", "port"),
    [
        ("ws://other-edge.elsewhere.svc:9000/", 9000),
        ("wss://feed.example.com/?symbols=BTC/USD", 443),
        ("ws://feed.example.com", 80),
        ("wss://[2001:db8::1]:8765/", 8765),
        ("ws://[2001:db8::1]/", 80),
        ("wss://me:secret@feed.example.com?symbols=a:9", 443),
    ],
)
def test_another_feed_is_reached_at_its_port_alone(feed: str, port: int) -> None:
    """With dashboard.feed the dashboard, and nobody else, reaches the world at the port of that address."""
    objects = render("default", "--set-string", f"dashboard.feed={feed}")
    world = Pod((), "world")
    for component in COMPONENTS:
        assert allowed(objects, "egress", pod_of(objects, component), world, port) is (component == "dashboard")
    assert not allowed(objects, "egress", pod_of(objects, "dashboard"), world, port + 1)
    alone = render("default", "--set-string", f"dashboard.feed={feed}", "--set", "edge.enabled=false")
    assert allowed(alone, "egress", pod_of(alone, "dashboard"), world, port)
    assert allowed(alone, "egress", pod_of(alone, "dashboard"), Pod(tuple(DNS.items()), "kube-system"), 53, "UDP")


def test_the_feed_and_the_page_are_open_and_can_be_closed() -> None:
    """Everyone reads 8765 and 8050, unless peers are named; then the dashboard and the release test still do."""
    for component, port in (("edge", 8765), ("dashboard", 8050)):
        opened, closed = render(), render("all-on")
        assert reaches(opened, STRANGER, pod_of(opened, component), port)
        assert reaches(opened, FOREIGNER, pod_of(opened, component), port)
        assert not reaches(closed, STRANGER, pod_of(closed, component), port)
    assert reaches(closed, pod_of(closed, "dashboard"), pod_of(closed, "edge"), 8765)


@pytest.mark.parametrize("component", COMPONENTS)
def test_metrics_are_read_from_anywhere_in_the_cluster(component: str) -> None:
    """A Prometheus in another namespace reaches the http port, unless that is closed."""
    port = 9108 if component == "memory" else 9090
    objects = render()
    server = pod_of(objects, component)
    assert allowed(objects, "ingress", server, FOREIGNER, port)
    closed = render("default", "--set-json", "networkPolicy.metricsClients=[]")
    assert not allowed(closed, "ingress", server, FOREIGNER, port)


def test_another_release_is_a_stranger() -> None:
    """The edge of one release cannot read the book of another in the same namespace."""
    one, other = render(release="one"), render(release="other")
    assert not allowed(one, "ingress", pod_of(one, "orderbook"), pod_of(other, "edge"), 50051)


def test_extra_rules_are_added() -> None:
    """A component's extraIngress and extraEgress stand beside the chart's own rules."""
    for policy in of_kind(render("all-on"), "NetworkPolicy"):
        if component_of(policy) != "test":
            assert {"from": [{"podSelector": {"matchLabels": {"debug": "yes"}}}]} in policy["spec"]["ingress"]
            assert {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]} in policy["spec"]["egress"]
