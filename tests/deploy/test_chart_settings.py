"""What the chart tells each service, read by the service's own settings class."""

import socket
from pathlib import Path

import pytest
import yaml

from marksim.runtime.settings import ServiceSettings, load_settings
from marksim.scenario.loading import load_scenario
from tests.deploy.chart import (
    COMPONENTS,
    NAMESPACE,
    SETTINGS,
    VALUES,
    Object,
    addresses,
    component_of,
    find,
    of_kind,
    render,
    settings_of,
    workloads,
)

pytestmark = pytest.mark.cluster

CHECKSUM = "checksum/scenario"


def read(workload: Object, objects: list[Object], folder: Path, monkeypatch: pytest.MonkeyPatch) -> ServiceSettings:
    """The settings as the pod's process would have them; of a StatefulSet, its last pod."""
    container = workload["spec"]["template"]["spec"]["containers"][0]
    service, flag, path, *flags = container["args"]
    assert (flag, path) == ("--config", "/etc/marksim/settings/settings.yaml")
    name = f"{workload['metadata']['name']}-{workload['spec'].get('replicas', 1) - 1}"
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    config = folder / f"{name}.yaml"
    config.write_text(settings_of(objects, workload))
    return load_settings(SETTINGS[service], service, ["--config", str(config), *flags])


@pytest.mark.parametrize("values", VALUES)
def test_every_service_understands_what_it_is_told(values: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each settings file and each flag is read without complaint, and the ports are those that the pod declares."""
    objects = render(values)
    for one in workloads(objects):
        settings = read(one, objects, tmp_path, monkeypatch).model_dump()
        ports = {port["name"]: port["containerPort"] for port in one["spec"]["template"]["spec"]["containers"][0]["ports"]}
        assert (settings["grpc_port"], settings["http_port"]) == (ports["grpc"], ports["http"])
        assert settings.get("port") == ports.get("websocket", ports.get("page"))
        assert settings["host"] in {"0.0.0.0", "::"}


def answering(objects: list[Object]) -> set[tuple[str, int]]:
    """Every name and port at which the release answers: Services, and pods of StatefulSets behind headless ones."""
    found = set()
    for service in of_kind(objects, "Service"):
        name = service["metadata"]["name"]
        found |= {(name, port["port"]) for port in service["spec"]["ports"]}
    for one in of_kind(objects, "StatefulSet"):
        headless = one["spec"]["serviceName"]
        assert find(objects, "Service", headless)["spec"]["clusterIP"] == "None"
        found |= {
            (f"{one['metadata']['name']}-{ordinal}.{headless}", port["containerPort"])
            for ordinal in range(one["spec"]["replicas"])
            for port in one["spec"]["template"]["spec"]["containers"][0]["ports"]
        }
    return found


@pytest.mark.parametrize("values", VALUES)
def test_every_address_is_one_where_the_release_answers(values: str) -> None:
    """Each peer in a settings file or in the release test's arguments is a name and a port of this release."""
    objects = render(values)
    told = {component_of(one): settings_of(objects, one) for one in workloads(objects)}
    told |= {component_of(one): "\n".join(one["spec"]["containers"][0]["args"]) for one in of_kind(objects, "Pod")}
    for component, text in told.items():
        used = addresses(text)
        assert bool(used) is (component != "orderbook")
        assert used <= answering(objects), component


def test_every_reader_knows_every_shard() -> None:
    """Engine, edge and archiver have the addresses of all shards in the order of their numbers."""
    objects = render("two-shards")
    names = [f"rel-marksim-orderbook-{n}.rel-marksim-orderbook-headless.{NAMESPACE}.svc.cluster.local:50051" for n in (0, 1)]
    for component in ("engine", "edge", "archiver"):
        assert yaml.safe_load(settings_of(objects, workloads(objects, component)[0]))["orderbook"] == names


def test_shards_get_their_number_from_their_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All shards read one file; the ordinal in the host name says which one a pod is."""
    objects = render("two-shards")
    settings = read(workloads(objects, "orderbook")[0], objects, tmp_path, monkeypatch).model_dump()
    assert (settings["shards"], settings["shard"], settings["assign"]) == (2, "1", {"BTC/USD": 0, "ETH/USD": 1})


def test_the_engine_and_the_book_run_one_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name and overrides are equal in both, and the overrides are ones that the scenario takes."""
    flags = ("--set-json", 'scenario.set=["agents.noise.count=2","agents.maker.params={levels: 3, level_step_ticks: 9}"]')
    objects = render("default", *flags)
    book, engine = (
        read(workloads(objects, name)[0], objects, tmp_path, monkeypatch).model_dump() for name in ("orderbook", "engine")
    )
    assert (book["scenario"], book["set"]) == (engine["scenario"], engine["set"])
    assert load_scenario(book["scenario"], book["set"]).name == "default"


def test_an_inline_scenario_is_mounted_where_both_look_for_it() -> None:
    """The text reaches a ConfigMap, and only order book and engine mount it."""
    objects = render("all-on")
    text = find(objects, "ConfigMap", "rel-marksim-scenario")["data"]["scenario.yaml"]
    assert {"extends": "default", "name": "quiet", "speed": 1}.items() <= yaml.safe_load(text).items()
    for one in workloads(objects):
        mounts = {mount["mountPath"] for mount in one["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]}
        trading = component_of(one) in {"orderbook", "engine"}
        assert ("/etc/marksim/scenario" in mounts) is trading
        if trading:
            assert yaml.safe_load(settings_of(objects, one))["scenario"] == "/etc/marksim/scenario/scenario.yaml"


def test_the_files_beside_an_inline_scenario_are_mounted_with_it(tmp_path: Path) -> None:
    """So that the agents that it names are found."""
    for name, text in find(render("all-on"), "ConfigMap", "rel-marksim-scenario")["data"].items():
        (tmp_path / name).write_text(text)
    agents = load_scenario(str(tmp_path / "scenario.yaml")).cast().agents
    assert (agents[-1].name, agents[-1].type) == ("idle", "idle.py:idle")


@pytest.mark.parametrize(
    ("seed", "speed", "expected"),
    [
        ("--set=scenario.seed=7", "10", (7, "10")),
        ("--set-string=scenario.seed=9223372036854775807", "max", (2**63 - 1, "max")),
    ],
)
def test_seed_and_speed_arrive_exactly(
    seed: str, speed: str, expected: tuple[int, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A seed keeps all its digits, also above what YAML's floats hold, and a speed is a number or `max`."""
    objects = render("default", seed, "--set", f"scenario.speed={speed}")
    settings = read(workloads(objects, "engine")[0], objects, tmp_path, monkeypatch).model_dump()
    assert (settings["seed"], settings["speed"]) == expected


def test_seed_zero_is_a_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zero is passed on, and no seed is not."""
    for flags, expected in (((), None), (("--set", "scenario.seed=0"), 0)):
        objects = render("default", *flags)
        assert read(workloads(objects, "engine")[0], objects, tmp_path, monkeypatch).model_dump()["seed"] == expected


def checksums(*flags: str, key: str = CHECKSUM) -> dict[str, str]:
    return {
        component_of(one): one["spec"]["template"]["metadata"]["annotations"].get(key, "")
        for one in workloads(render("default", *flags))
    }


@pytest.mark.parametrize(
    "change",
    [
        "scenario.name=two-symbols",
        "scenario.seed=5",
        "scenario.speed=20",
        "scenario.set={agents.noise.count=3}",
        "scenario.inline=extends: default",
        "orderbook.shards=2",
        "orderbook.assign.BTC/USD=0",
    ],
)
def test_a_new_run_rolls_books_and_engine_together(change: str) -> None:
    """Whatever begins a new run changes the pod templates of order book and engine, and of nobody who only reads."""
    before, after = checksums(), checksums("--set", change)
    assert {name for name in COMPONENTS if before[name]} == {"orderbook", "engine"}
    assert before["orderbook"] == before["engine"] != after["orderbook"] == after["engine"]


def test_a_setting_rolls_only_its_own_component() -> None:
    """The checksum of the settings changes where a setting changes, and nowhere else."""
    key = "checksum/settings"
    before, after = checksums(key=key), checksums("--set", "edge.settings.flush_ms=40", key=key)
    assert {name for name in COMPONENTS if before[name] != after[name]} == {"edge"}


def test_the_memory_monitor_asks_every_pod() -> None:
    """Shards and engines are named one by one; what scales out is asked through all addresses of its headless Service."""
    two = yaml.safe_load(settings_of(render("two-shards"), workloads(render("two-shards"), "memory")[0]))["targets"]
    assert set(two) == {"orderbook-0", "orderbook-1", "engine", "archiver", "edge", "dashboard"}
    assert {name for name, address in two.items() if address.startswith("dns:")} == {"edge", "dashboard"}
    groups = yaml.safe_load(settings_of(render("groups"), workloads(render("groups"), "memory")[0]))["targets"]
    assert {"engine-bitcoin", "engine-ether"} <= set(groups)


def test_each_group_has_an_engine_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group's engine has the group's symbols and shards, and its Services reach its pod only."""
    objects = render("groups")
    for group, symbol, shard in (("bitcoin", "BTC/USD", 0), ("ether", "ETH/USD", 1)):
        engine = find(objects, "StatefulSet", f"rel-marksim-engine-{group}")
        settings = read(engine, objects, tmp_path, monkeypatch).model_dump()
        assert settings["symbols"] == [symbol]
        assert [address.split(".")[0] for address in settings["orderbook"]] == [f"rel-marksim-orderbook-{shard}"]
        selector = find(objects, "Service", f"rel-marksim-engine-{group}")["spec"]["selector"]
        assert selector == engine["spec"]["selector"]["matchLabels"]


def test_headless_services_name_pods_that_are_not_ready() -> None:
    """An engine finds a book that still compiles, and an archiver one that ends; plain Services name ready pods only."""
    for service in of_kind(render("two-shards"), "Service"):
        headless = service["metadata"]["name"].endswith("-headless")
        assert bool(service["spec"].get("publishNotReadyAddresses")) is headless
        assert (service["spec"].get("clusterIP") == "None") is headless
