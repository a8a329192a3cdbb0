"""Whether the ports that a market needs are free."""

from collections.abc import Iterable
from dataclasses import dataclass

from marksim.runtime.ports import CannotListen, addresses, bindable


@dataclass(frozen=True)
class PortNeed:
    """One port that a child will listen on, and the flag of `marksim.main` that changes it."""

    port: int
    what: str
    flag: str


def port_faults(needs: Iterable[PortNeed], host: str = "") -> list[str]:
    """A sentence for each port of `needs` that cannot be had: its owner, where known, and the flag that changes it."""
    faults: list[str] = []
    seen: dict[int, PortNeed] = {}
    for need in needs:
        first = seen.setdefault(need.port, need)
        if first is not need:
            faults.append(f"{first.flag} ({first.what}) and {need.flag} ({need.what}) both say port {need.port}; change one")
            continue
        try:
            for address in addresses(host):
                bindable(address, need.port, need.flag)
        except CannotListen as error:
            faults.append(f"{need.what}: {error}")
    return faults
