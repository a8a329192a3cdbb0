"""Names with many addresses, as targets of the memory service."""

import socket

import pytest

from marksim.memory.names import NamedTargets, resolve, split_target
from marksim.memory.settings import MemorySettings
from marksim.runtime.settings import load_settings


class Dns:
    """What DNS says in a test: addresses, or the error that is set."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.error: OSError | None = None

    async def resolve(self, host: str, port: int) -> list[str]:
        assert (host, port) == ("edge-headless", 50054)
        if self.error is not None:
            raise self.error
        return self.addresses


def edges(limit: int = 8) -> NamedTargets:
    return NamedTargets("edge", "dns:edge-headless:50054", limit)


def shown(named: NamedTargets) -> list[tuple[str, str]]:
    return [(target.name, target.address) for target in named.targets]


async def test_each_address_is_a_target() -> None:
    """Named by the setting and the address, of IPv6 too."""
    named, dns = edges(), Dns()
    dns.addresses = ["10.0.0.7", "fd00::1"]
    assert await named.look(dns.resolve, 1.0)
    assert shown(named) == [("edge@10.0.0.7", "10.0.0.7:50054"), ("edge@fd00::1", "[fd00::1]:50054")]
    assert named.present == named.targets


async def test_who_stays_keeps_what_is_known_and_who_goes_is_forgotten() -> None:
    """A service that is gone from DNS is not down: it is not there."""
    named, dns = edges(), Dns()
    dns.addresses = ["10.0.0.7", "10.0.0.8"]
    await named.look(dns.resolve, 1.0)
    stays = named.targets[1]
    stays.failed("for a moment", 2.0)
    dns.addresses = ["10.0.0.8", "10.0.0.9"]
    assert await named.look(dns.resolve, 3.0)
    assert [target.name for target in named.targets] == ["edge@10.0.0.8", "edge@10.0.0.9"]
    assert named.targets[0] is stays
    assert not await named.look(dns.resolve, 4.0)


async def test_a_name_without_anybody_is_down_itself_and_says_why() -> None:
    """So that an alert on what is down finds it; with the first address it is gone."""
    named, dns = edges(), Dns()
    assert shown(named) == [("edge", "dns:edge-headless:50054")]
    dns.error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    await named.look(dns.resolve, 1.0)
    (target,) = named.targets
    assert (target.up, target.polls, target.polled_at_s) == (False, 1, 1.0)
    assert target.error == "edge-headless does not resolve: Name or service not known"
    assert named.present == ()
    dns.error, dns.addresses = None, ["10.0.0.7"]
    assert await named.look(dns.resolve, 2.0)
    assert shown(named) == [("edge@10.0.0.7", "10.0.0.7:50054")]


async def test_the_last_one_that_goes_leaves_the_name_down() -> None:
    """Whether DNS then knows no such name or no address of it."""
    named, dns = edges(), Dns()
    dns.addresses = ["10.0.0.7"]
    await named.look(dns.resolve, 1.0)
    dns.addresses = []
    await named.look(dns.resolve, 2.0)
    assert [(target.name, target.error) for target in named.targets] == [("edge", "edge-headless has no address")]


async def test_a_name_server_that_fails_takes_nobody_away() -> None:
    """It says nothing about who is there."""
    named, dns = edges(), Dns()
    dns.addresses = ["10.0.0.7"]
    await named.look(dns.resolve, 1.0)
    dns.error = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    assert not await named.look(dns.resolve, 2.0)
    assert [target.name for target in named.targets] == ["edge@10.0.0.7"]


async def test_too_many_addresses_are_left_out_and_counted() -> None:
    """A name can fill neither the page nor the machine."""
    named, dns = edges(limit=2), Dns()
    dns.addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    await named.look(dns.resolve, 1.0)
    assert (len(named.targets), named.left_out) == (2, 1)


async def test_the_machine_resolves_names() -> None:
    """Each address once."""
    assert await resolve("127.0.0.1", 50054) == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("localhost:50051", ("localhost", 50051)),
        ("dns:edge-headless:50054", ("edge-headless", 50054)),
        ("[fd00::1]:50054", ("fd00::1", 50054)),
    ],
)
def test_an_address_is_host_and_port(address: str, parts: tuple[str, int]) -> None:
    """With or without the prefix."""
    assert split_target(address) == parts


@pytest.mark.parametrize("address", ["edge", "dns:edge-headless", "edge:", ":50054", "edge:0", "edge:65536", "edge:x"])
def test_a_target_that_is_no_address_ends_the_start(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 2, a line that names the flag, and how it is written."""
    with pytest.raises(SystemExit) as ended:
        load_settings(MemorySettings, "memory", ["--targets", f"edge={address}"])
    assert ended.value.code == 2
    assert "--targets" in (said := capsys.readouterr().err) and "is not written host:port" in said
