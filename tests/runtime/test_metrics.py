"""Stores, as protobuf and as Prometheus sees them."""

from marksim.runtime.metrics import Store, StoreKind, store_from_proto, store_to_proto
from marksim.v1 import telemetry_pb2


def test_a_store_survives_the_wire() -> None:
    """Every field arrives."""
    store = Store("order_slots", StoreKind.POOL, 1, 2, 3, 4, 5)
    assert store_from_proto(store_to_proto(store)) == store


def test_the_kinds_are_those_of_the_contract() -> None:
    """Name and number agree with StoreKind of telemetry.proto."""
    assert {f"STORE_KIND_{kind.name}": kind.value for kind in StoreKind} == dict(telemetry_pb2.StoreKind.items())


def test_a_kind_of_a_newer_peer_is_unspecified() -> None:
    """A newer service must not break the exporter."""
    message = telemetry_pb2.Store(name="new")
    message.kind = 99  # type: ignore[assignment]
    assert store_from_proto(message).kind is StoreKind.UNSPECIFIED
