"""Values that are wrong are refused, with words that say what to do."""

import json
import re
import shlex
from itertools import pairwise

import pytest
import yaml

from tests.deploy.chart import CHART, COMPONENTS, NAMESPACE, ROOT, SETTINGS, Object, helm, render, sentence

SCHEMA: Object = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS: Object = yaml.safe_load((CHART / "values.yaml").read_text())


def opened(schema: Object) -> Object:
    """The schema that a reference points to; of a schema and what it requires besides, the schema."""
    schema = schema.get("allOf", [schema])[0]
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
        # Each service has settings of its own.
        same = set(defaults) - {"settings"}
        assert {key: opened(properties[key]) for key in same} == {key: opened(defaults[key]) for key in same}
        assert {"enabled", "resources", "service", "settings"} <= set(properties)


def test_settings_are_those_of_the_services() -> None:
    """The schema has each field of a service's settings, with _ and with -, as the service does; defaults what all have."""
    fields = {component: set(SETTINGS[component].model_fields) for component in COMPONENTS}
    fields["defaults"] = set.intersection(*fields.values())
    for name, wanted in fields.items():
        schema = opened(SCHEMA["properties"][name]["properties"]["settings"])
        assert set(schema["properties"]) == wanted | {field.replace("_", "-") for field in wanted}, name
        assert schema["additionalProperties"] is False


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
        "edge.settings.flush_mss=10",
        "orderbook.settings.ring-mb=64",
        "memory.settings.flush_ms=10",
        "defaults.settings.ring_mib=64",
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
        "scenario.speed=fast",
        "scenario.speed=-2",
        "scenario.speed=0",
        "scenario.speed=-0.5",
        "scenario.speed=10x",
        "metrics.prometheusRule.runbookBaseUrl=docs",
        "image.tag=1",
        "edge.service.ports.grpc=99999",
        "dashboard.feed=http://feed",
        "dashboard.feed=ws:///",
    ],
)
def test_a_value_of_the_wrong_kind_fails(wrong: str) -> None:
    """The schema refuses what no service could use, and names the place."""
    path = "/" + wrong.partition("=")[0].replace(".", "/")
    assert path in sentence("--set", wrong)


@pytest.mark.cluster
@pytest.mark.parametrize("speed", ["", "max", "1", "0.001", "2.5", "1e3", "1000000"])
def test_a_speed_that_the_engine_takes_is_taken(speed: str) -> None:
    """As a number and as text."""
    assert render("default", "--set", f"scenario.speed={speed}")
    assert render("default", "--set-string", f"scenario.speed={speed}")


@pytest.mark.cluster
def test_a_setting_may_be_spelt_as_its_flag() -> None:
    """`flush-ms` is `flush_ms`, as in the service's own file."""
    assert render("default", "--set", "edge.settings.flush-ms=10,edge.settings.max_clients=5")


@pytest.mark.cluster
@pytest.mark.parametrize(
    "path",
    [
        *(key for key, value in DEFAULTS.items() if isinstance(value, dict) and key != "extraObjects"),
        "networkPolicy.grpcClients",
        "networkPolicy.metricsClients",
        "networkPolicy.dns",
        "global.imagePullSecrets",
        "image.registry",
        "clusterDomain",
        "scenario.speed",
        "defaults.args",
        "defaults.probes.startup",
        "defaults.service.labels",
        "defaults.networkPolicy.extraEgress",
        "edge.service",
        "edge.service.ports",
        "edge.autoscaling",
        "dashboard.ingress",
        "archiver.persistence",
        "orderbook.persistence",
        "orderbook.durability",
        "engine.persistence",
        "metrics.serviceMonitor",
        "grafana.dashboards",
    ],
)
def test_null_where_a_value_is_needed_is_told(path: str) -> None:
    """Where a template would fail on null, the schema says which value is missing, before any template is read."""
    where, _, key = path.rpartition(".")
    said = sentence("--set", f"{path}=null")
    assert f"at '{'/' * bool(where) + where.replace('.', '/')}': missing property '{key}'" in said


COMMANDS = [
    pytest.param(command, id=f"{page.removesuffix('.md')}-{number}")
    for page in ("README.md", "docs/operations.md", "deploy/helm/marksim/README.md")
    for number, command in enumerate(
        re.findall(r"^helm (?:install|upgrade) .*$", (ROOT / page).read_text().replace("\\\n", " "), re.MULTILINE)
    )
]


def documented(page: str) -> str:
    """The block of a page's commands in which the chart is installed."""
    blocks = re.findall(r"^```bash\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    return next(str(block) for block in blocks if "helm install" in block)


@pytest.mark.cluster
@pytest.mark.parametrize("command", COMMANDS)
def test_documented_commands_are_taken(command: str) -> None:
    """What a page says after `helm install` or `helm upgrade`, its values included, renders."""
    words = shlex.split(command)
    values = [word for flag, value in pairwise(words) if flag == "--set" for word in (flag, value)]
    assert values, "a page installs without naming an image"
    assert words[3] == CHART.relative_to(ROOT).as_posix()
    done = helm("template", words[2], str(CHART), "--kube-version", "1.34.0", "--namespace", NAMESPACE, *values)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md", "deploy/helm/marksim/README.md"])
def test_documented_images_are_made_pushed_and_installed(page: str) -> None:
    """A page's commands build, push and install one image, in a registry, and not what a public one might have."""
    block = documented(page)
    made = re.findall(r"make image IMAGE=(\S+)", block)
    pushed = re.findall(r"push (\S+)", block)
    registry, tag = (re.findall(rf"--set image\.{key}=(\S+)", block) for key in ("registry", "tag"))
    assert made == pushed == [f"{registry[0]}/{DEFAULTS['image']['repository']}:{tag[0]}"]


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
        (["engine.replicas=0"], "engine.replicas is 0: to have none, use engine.enabled=false"),
        (["archiver.replicas=0"], "use archiver.enabled=false"),
        (["memory.replicas=0"], "use memory.enabled=false"),
        (
            ["archiver.persistence.enabled=false", "archiver.persistence.existingClaim=c"],
            "archiver.persistence.enabled is false and existingClaim is c",
        ),
        (["scenario.speed=0.0001"], "scenario.speed is 0.0001, and must be `max` or a number from 0.001 to 1000000"),
        (["scenario.speed=1e7"], "scenario.speed is 1e7, and must be"),
        (["dashboard.feed=wss://feed.example.com:99999/"], "whose port is not from 1 to 65535"),
        (["fullnameOverride=a.b"], "objects would be named a.b-..., and the name of a Service begins with a letter"),
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
        (["scenario.files.my\\.py=x"], "scenario.files has my.py, and nothing reads it: give the scenario that does as"),
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
