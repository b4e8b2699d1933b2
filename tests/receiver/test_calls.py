"""What the private port tells of calls, on real sockets: to programs and Prometheus, and never what was sent."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from hookgate.receiver.journal import LAST_REFUSALS
from hookgate.receiver.settings import Edge
from tests.receiver.rig import HMAC, SECRET, TOKEN, Endpoint, House, bounds, request, settings, signature

STAMPED = {
    **HMAC,
    "timestamp": {"header": "X-Time"},
    "message": ["timestamp", "body"],
}


def ask(house: House, path: str, question: object) -> Any:
    """Ask the private port in JSON."""
    return json.loads(house.post(path, json.dumps(question).encode(), private=True).body)


def calls(endpoint: Endpoint) -> Any:
    """Return what is told of an endpoint's calls."""
    return ask(endpoint.house, "/calls", [endpoint.binding.uid, "unknown"])["calls"].get(endpoint.binding.uid)


def refusals(endpoint: Endpoint) -> list[Any]:
    """Return what is told of an endpoint's refusals, without their times."""
    told: list[Any] = ask(endpoint.house, "/refusals", endpoint.binding.uid)["refusals"]
    return [{k: v for k, v in each.items() if k != "time"} for each in told]


def samples(house: House) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return all metrics, read by Prometheus' own parser."""
    text = house.get("/metrics", private=True).body.decode()
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(house: House, metric: str, /, **labels: str) -> float | None:
    """Return one sample."""
    return samples(house).get((f"hookgate_receiver_{metric}", frozenset(labels.items())))


def test_calls_are_told_per_endpoint(house: House) -> None:
    endpoint, before = house.endpoint(), time.time()
    statuses = [endpoint.call().status, endpoint.call(X_Signature=signature(b"other")).status, endpoint.call().status]
    told = calls(endpoint)
    assert statuses == [202, 401, 202]
    assert (told["accepted"], told["refused"], told["lastRefused"]["reason"]) == (
        2,
        {"wrong-credential": 1},
        "wrong-credential",
    )
    assert before <= told["lastRefused"]["time"] <= told["lastAccepted"] <= time.time()
    assert list(told["keys"]) == ["k1"]
    assert told["keys"]["k1"] % 60 == 0


def test_an_endpoint_that_was_not_called_is_not_told_of(house: House) -> None:
    endpoint = house.endpoint()
    assert (calls(endpoint), refusals(endpoint)) == (None, [])


def test_a_refusal_names_the_header_that_is_missing(house: House) -> None:
    endpoint = house.endpoint()
    endpoint.call(X_Signature=None)
    assert refusals(endpoint) == [
        {"step": "authenticity", "reason": "missing-credential", "where": "header X-Signature", "skew": None}
    ]


def test_a_stale_call_tells_how_far_the_clocks_are_apart(house: House) -> None:
    endpoint = house.endpoint(auth=STAMPED)
    at = b"%d" % (time.time() - 1000)
    assert endpoint.call(X_Time=at, X_Signature=signature(at + b"{}")).status == 401
    (told,) = refusals(endpoint)
    assert (told["reason"], told["where"], -1010 < told["skew"] < -995) == ("stale", "header X-Time", True)


def test_only_the_last_refusals_are_told(house: House) -> None:
    endpoint = house.endpoint()
    for _ in range(LAST_REFUSALS + 2):
        endpoint.call(X_Signature=None)
    assert (len(refusals(endpoint)), calls(endpoint)["refused"]) == (LAST_REFUSALS, {"missing-credential": 12})


def test_each_step_of_a_call_has_its_refusals(house: House) -> None:
    inactive = house.endpoint(active=False)
    small = house.endpoint(max_body_bytes=1)
    broken = house.endpoint(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
    unreachable = house.endpoint(target="http://127.0.0.1:1/")
    for endpoint in (inactive, small, broken, unreachable):
        endpoint.call()
    house.get(broken.path)
    told = [[(each["step"], each["reason"]) for each in refusals(e)] for e in (inactive, small, broken, unreachable)]
    assert told == [
        [("state", "inactive")],
        [("size", "body-too-large")],
        [("target", "target-failed"), ("request", "wrong-method")],
        [("target", "target-unreachable")],
    ]


def test_a_key_that_verified_counts_as_used_whatever_the_target_says(house: House) -> None:
    endpoint = house.endpoint(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
    endpoint.call()
    told = calls(endpoint)
    assert (told["accepted"], told["lastAccepted"], list(told["keys"])) == (0, None, ["k1"])


def test_metrics_tell_calls_by_endpoint_and_outcome(house: House) -> None:
    endpoint = house.endpoint()
    place = {"namespace": "team-a", "name": endpoint.binding.name}
    endpoint.call(b"12345")
    endpoint.call(X_Signature=None)
    assert value(house, "calls_total", **place, outcome="accepted") == 1.0
    assert value(house, "calls_total", **place, outcome="missing-credential") == 1.0
    assert value(house, "body_bytes_total", **place) == 7.0


def test_the_series_of_a_removed_endpoint_end_with_it(house: House) -> None:
    endpoint = house.endpoint()
    endpoint.call()
    house.inside(lambda: house.receiver.table.remove(endpoint.binding.uid))
    told = house.get("/metrics", private=True).body.decode()
    assert endpoint.binding.name not in re.findall(r'name="([^"]*)"', told)
    assert (calls(endpoint), refusals(endpoint)) == (None, [])


def test_metrics_time_verification_and_target(house: House) -> None:
    before = [value(house, f"{step}_seconds_count") or 0.0 for step in ("verify", "target")]
    endpoint = house.endpoint()
    endpoint.call()
    endpoint.call(X_Signature=None)
    after = [value(house, f"{step}_seconds_count") or 0.0 for step in ("verify", "target")]
    assert [b - a for a, b in zip(before, after, strict=True)] == [2.0, 1.0]


def test_metrics_tell_the_table_and_its_troubles(house: House) -> None:
    endpoint = house.endpoint(target="not a URL")
    assert value(house, "table_endpoints") == house.inside(lambda: float(len(house.receiver.table)))
    assert value(house, "table_loaded") == 1.0
    assert (value(house, "table_troubles_total", trouble="invalid-target") or 0) >= 1.0
    house.inside(lambda: house.receiver.table.remove(endpoint.binding.uid))


def test_metrics_tell_what_is_in_flight(house: House) -> None:
    endpoint = house.endpoint()
    body = b"x" * 1000
    with house.connect() as connection:
        connection.sendall(request(endpoint.path, body, [(b"X-Signature", signature(body))])[:-10])
        house.until(lambda: house.receiver.load.calls == 1)
        assert value(house, "in_flight_calls") == 1.0
        connection.sendall(body[-10:])


def test_calls_to_no_endpoint_are_counted_without_their_path(house: House) -> None:
    before = value(house, "unknown_path_calls_total") or 0.0
    path = "/h/" + "a" * 32
    house.post(path, b"")
    assert value(house, "unknown_path_calls_total") == before + 1
    assert "a" * 32 not in house.get("/metrics", private=True).body.decode()


def test_what_is_turned_away_is_counted_by_its_limit(edge: Edge) -> None:
    tight = settings(edge=edge, max_in_flight_per_endpoint=0, bounds=bounds(head_bytes=1000))
    with House(tight).running() as house:
        assert house.endpoint().call().status == 503
        house.post("/" + "x" * 2000, b"")
        told = {limit: value(house, "rejected_total", limit=limit) for limit in ("calls-per-endpoint", "head-bytes")}
        assert told == {"calls-per-endpoint": 1.0, "head-bytes": 1.0}


def test_anything_but_a_uid_is_no_question_for_refusals(house: House) -> None:
    bodies = [b"", b"{}", b"[]", b"1", b"\xff", b"[" * 100_000]
    assert {house.post("/refusals", body, private=True).status for body in bodies} == {400}
    assert {house.post("/calls", body, private=True).status for body in (b"", b'"uid"', b"[1]")} == {400}


def test_the_private_paths_take_their_own_method_only(house: House) -> None:
    assert house.post("/metrics", b"", private=True).status == 405
    assert [house.get(path, private=True).status for path in ("/calls", "/refusals")] == [405, 405]


def test_nothing_that_was_sent_or_is_secret_is_ever_told(house: House, caplog: Any) -> None:
    """Headers, body, query, path, token, key and target: a word of each is looked for in everything that is told."""
    canaries = ["canaryheader", "canarybody", "canaryquery", "canarytoken", "canarytarget"]
    endpoint = house.endpoint(query="?k=canarytarget")
    token = house.endpoint(auth=TOKEN)
    stamped = house.endpoint(auth=STAMPED)
    body = b'{"a": "canarybody"}'
    endpoint.call(body, X_Signature=signature(body), X_Other=b"canaryheader")
    for headers in ({"X_Signature": b"canaryheader"}, {"X_Signature": b"sha256=canaryheader"}, {"X_Signature": None}):
        endpoint.call(body, path=f"{endpoint.path}?q=canaryquery", **headers)
    token.call(body, X_Token=b"canarytoken")
    stamped.call(body, X_Time=b"canaryheader", X_Signature=signature(b"canaryheader" + body))
    uids = [each.binding.uid for each in (endpoint, token, stamped)]
    told = house.get("/metrics", private=True).body.decode() + json.dumps(ask(house, "/calls", uids))
    told += "".join(json.dumps(ask(house, "/refusals", uid)) for uid in uids) + caplog.text
    paths = [str(each.binding.segment) for each in (endpoint, token, stamped)]
    assert "missing-credential" in told
    assert [word for word in (*canaries, *paths, SECRET.decode(), endpoint.target_path) if word in told] == []
