"""Values that are wrong are refused, with words that say what to do."""

import json

import pytest
import yaml

from tests.deploy.chart import CHART, COMPONENTS, Object, render, sentence

SCHEMA: Object = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS: Object = yaml.safe_load((CHART / "values.yaml").read_text())


def opened(schema: Object) -> Object:
    """The schema that a reference points to."""
    reference = schema.get("$ref")
    if not reference:
        return schema
    found: Object = SCHEMA["definitions"][reference.removeprefix("#/definitions/")]
    return found


def test_a_component_takes_all_that_defaults_has() -> None:
    """Each key of `defaults` may stand in each component, with the same meaning."""
    defaults = SCHEMA["properties"]["defaults"]["properties"]
    assert set(defaults) == set(DEFAULTS["defaults"])
    for component in COMPONENTS:
        properties = SCHEMA["properties"][component]["properties"]
        assert {key: properties.get(key) for key in defaults} == defaults
        assert {"enabled", "resources", "service"} <= set(properties)


def test_every_map_of_values_refuses_unknown_keys() -> None:
    """Where values.yaml has a map with keys of our own, the schema allows these and no others; `global` is the parent's."""

    def loose(values: Object, schema: Object, path: str) -> list[str]:
        schema = opened(schema)
        found = []
        for key, value in values.items():
            below = schema.get("properties", {}).get(key)
            if below is None:
                found.append(f"{path}{key} is unknown")
            elif isinstance(value, dict) and "properties" in opened(below):
                found += loose(value, below, f"{path}{key}.")
        return found + ([path] if schema.get("additionalProperties") is not False and path != "global." else [])

    assert loose(DEFAULTS, SCHEMA, "") == []


@pytest.mark.cluster
@pytest.mark.parametrize(
    "typo",
    [
        "engin.replicas=2",
        "orderbook.shard=2",
        "edge.replica=2",
        "edge.service.port.websocket=80",
        "edge.service.ports.ws=80",
        "defaults.nodeselector.a=b",
        "scenario.sed=1",
        "image.tags=v1",
        "memory.probes.ready.periodSeconds=1",
        "networkPolicy.enable=false",
        "metrics.serviceMonitor.enable=true",
        "archiver.persistence.storageclass=x",
        "archiver.networkPolicy.egress=x",
    ],
)
def test_a_typo_fails(typo: str) -> None:
    """A key that is not known is refused, and named."""
    wrong = typo.partition("=")[0].split(".")
    said = sentence("--set", typo)
    assert "not allowed" in said
    assert any(f"'{key}' not allowed" in said for key in wrong)


@pytest.mark.cluster
@pytest.mark.parametrize(
    "wrong",
    [
        "edge.replicas=two",
        "orderbook.shards=0",
        "orderbook.podDisruptionBudget.maxUnavailable=0",
        "image.digest=abc",
        "image.pullPolicy=Sometimes",
        "log.level=loud",
        "scenario.seed=-1",
        "edge.service.ports.grpc=99999",
        "dashboard.feed=http://feed",
    ],
)
def test_a_value_of_the_wrong_kind_fails(wrong: str) -> None:
    """The schema refuses what no service could use, and names the place."""
    path = "/" + wrong.partition("=")[0].replace(".", "/")
    assert path in sentence("--set", wrong)


@pytest.mark.cluster
def test_a_parent_chart_may_have_its_words() -> None:
    """`global` with keys of others, and `enabled`, the usual condition, are taken."""
    assert render("default", "--set", "global.other.key=1,enabled=true")


GROUPS = 'engine.groups=[{"name":"a","symbols":["BTC/USD"],"shards":[%s]},{"name":"%s","symbols":["%s"],"shards":[%s]}]'
TWO = "orderbook.shards=2,orderbook.assign.BTC/USD=0,orderbook.assign.ETH/USD=1"


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["engine.replicas=2"], "engine.replicas is 2: one engine owns the clock of all shards"),
        (["archiver.replicas=2"], "one archiver at a time writes to an archive"),
        (["memory.replicas=3"], "one memory monitor asks every pod"),
        (["orderbook.replicas=2"], "use orderbook.shards"),
        (["orderbook.assign.BTC/USD=1"], "puts BTC/USD on shard 1, but orderbook.shards is 1, so the last shard is 0"),
        (["edge.graceSeconds=28"], "edge.terminationGracePeriodSeconds is 30, and must be more than"),
        (["edge.settings.grpc_port=1"], "edge.settings.grpc_port is set by the chart; change service.ports instead"),
        (["engine.settings.grace-s=1"], "engine.settings.grace-s is set by the chart; change graceSeconds instead"),
        (["orderbook.enabled=false"], "without an order book the engine has nothing to do"),
        (["edge.enabled=false"], "name another release's feed in dashboard.feed"),
        (["scenario.name=other", "scenario.inline=x"], "only one can be run"),
        (["scenario.name="], "there is nothing to run"),
        (["metrics.serviceMonitor.enabled=true", "metrics.podMonitor.enabled=true"], "scraped twice"),
        (["commonLabels.app\\.kubernetes\\.io/name=x"], "commonLabels has app.kubernetes.io/name"),
        (["edge.podLabels.app\\.kubernetes\\.io/component=x"], "edge.podLabels has app.kubernetes.io/component"),
        (["edge.ingress.enabled=true"], "edge.ingress is enabled and has no hosts"),
        (["dashboard.httpRoute.enabled=true"], "dashboard.httpRoute is enabled and has no parentRefs"),
        (["edge.autoscaling.enabled=true", "edge.autoscaling.minReplicas=9"], "minReplicas is 9 and maxReplicas only 5"),
        (
            ["edge.autoscaling.enabled=true", "edge.autoscaling.targetCPUUtilizationPercentage=0"],
            "edge.autoscaling is enabled and aims at nothing",
        ),
    ],
)
def test_a_contradiction_is_told_in_a_sentence(flags: list[str], said: str) -> None:
    """Values that are each right but not together are refused, and the sentence names them."""
    assert said in sentence(*(word for flag in flags for word in ("--set", flag)))


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (("0", "b", "ETH/USD", "2"), "group b has shard 2, but orderbook.shards is 2, so the last shard is 1"),
        (("0", "b", "ETH/USD", "0,1"), "shard 0 is in the groups a and b"),
        (("0", "b", "ETH/USD", ""), "group b has no shards"),
        (("0", "a", "ETH/USD", "1"), "two groups named a"),
        (("0", "b", "BTC/USD", "1"), "BTC/USD is in the groups a and b"),
        (("1", "b", "ETH/USD", "0"), "group a has BTC/USD, but orderbook.assign puts it on shard 0"),
        (("0", "b", "SOL/USD", "1"), "group b has SOL/USD, which orderbook.assign puts on no shard"),
    ],
)
def test_groups_that_contradict_the_shards_are_refused(groups: tuple[str, ...], said: str) -> None:
    """A shard belongs to one group that exists, and a group's symbols are on its own shards."""
    assert said in sentence("--set", TWO, "--set-json", GROUPS % groups)


@pytest.mark.cluster
def test_a_shard_without_an_engine_is_refused() -> None:
    """Where there are groups, every shard is in one."""
    one = 'engine.groups=[{"name":"a","symbols":["BTC/USD"],"shards":[0]}]'
    assert "shard 1 is in no group" in sentence("--set", TWO, "--set-json", one)
    empty = 'engine.groups=[{"name":"a","shards":[0]}]'
    assert "group a has no symbols" in sentence("--set", TWO, "--set-json", empty)
