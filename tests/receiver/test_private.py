"""The private port: probes and digests, and nothing else."""

from __future__ import annotations

import json

from hookgate.model.binding import digest, encode
from hookgate.receiver.settings import Edge
from tests.receiver.rig import House, make_binding, settings
from tests.receiver.test_calls import value


def digests(house: House, uids: object) -> object:
    """Ask for digests."""
    return json.loads(house.post("/digests", json.dumps(uids).encode(), private=True).body)


def test_a_receiver_is_alive_before_it_is_ready(edge: Edge) -> None:
    with House(settings(edge=edge), loaded=False).running() as house:
        assert [house.get(p, private=True).status for p in ("/livez", "/readyz")] == [200, 503]


def test_until_a_full_table_is_there_an_unknown_path_may_be_anybodys_and_is_told_to_come_again(edge: Edge) -> None:
    with House(settings(edge=edge), loaded=False).running() as house:
        known = house.endpoint()
        early = house.post("/h/nobody", b"{}")
        assert (early.status, early.header("retry-after"), known.call().status) == (503, "5", 202)
        assert value(house, "unknown_path_calls_total") == 0.0
        house.inside(lambda: house.receiver.table.replace({}))
        assert (house.post("/h/nobody", b"{}").status, value(house, "unknown_path_calls_total")) == (404, 1.0)


def test_a_receiver_is_ready_once_it_has_a_full_table(edge: Edge) -> None:
    with House(settings(edge=edge), loaded=False).running() as house:
        house.inside(lambda: house.receiver.table.replace({}))
        assert house.get("/readyz", private=True).status == 200


def test_a_receiver_that_is_told_to_stop_is_not_ready_but_alive_and_serving(edge: Edge) -> None:
    with House(settings(edge=edge, drain_delay=3600)).running() as house:
        endpoint = house.endpoint()
        house.inside(house.receiver.stop)
        assert [house.get(p, private=True).status for p in ("/livez", "/readyz")] == [200, 503]
        assert (house.ends_by_itself(0.5), endpoint.call().status) == (False, 202)


def test_digests_name_the_bindings_in_force(house: House) -> None:
    endpoint = house.endpoint()
    uid = endpoint.binding.uid
    assert digests(house, [uid, "unknown"]) == {"digests": {uid: digest(encode(endpoint.binding))}}


def test_a_binding_that_is_not_served_as_written_has_no_digest(house: House) -> None:
    house.put(make_binding(910_001, "not a URL"))
    assert digests(house, ["uid-910001"]) == {"digests": {}}


def test_anything_but_a_list_of_uids_is_refused(house: House) -> None:
    bodies = [b"", b"{}", b"[1]", b"\xff", b"[" * 100_000, b'"uid"']
    assert {house.post("/digests", body, private=True).status for body in bodies} == {400}


def test_a_list_without_end_is_refused(house: House) -> None:
    assert house.post("/digests", b" " * 1_100_000, private=True).status == 413


def test_other_methods_and_paths_of_the_private_port_find_nothing(house: House) -> None:
    asked = [("POST", "/readyz"), ("GET", "/digests"), ("GET", "/"), ("GET", "/metrics/x"), ("GET", "/livez/")]
    assert [house.get(p, private=True, method=m).status for m, p in asked] == [405, 405, 404, 404, 404]


def test_endpoints_are_not_served_on_the_private_port(house: House) -> None:
    assert house.get(house.endpoint().path, private=True, method="POST").status == 404


def test_the_private_paths_are_not_served_on_the_public_port(house: House) -> None:
    assert [house.get(p).status for p in ("/livez", "/readyz", "/digests", "/metrics")] == [404] * 4
