"""The table: every binding stands and falls alone."""

from __future__ import annotations

import hmac
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from hookgate.model.binding import Binding, Key, NewerBinding, RetiredPath, decode, digest, encode
from hookgate.model.rate import Rate
from hookgate.model.sensitive import Sensitive
from hookgate.receiver.auth import authenticate
from hookgate.receiver.respond import Refusal
from hookgate.receiver.table import BindingTable, Entry, Trouble
from hookgate.scheme.request import Request
from tests.receiver.rig import HMAC, SECRET, make_binding

TARGET = "http://ci.team-a.svc:8080/hook"


def path_of(binding: Binding) -> bytes:
    """Return the path that serves a binding."""
    return f"/h/{binding.segment}".encode()


def table_of(*bindings: Binding) -> BindingTable:
    """Return a table with these bindings in force."""
    table = BindingTable()
    table.replace({b.uid: encode(b) for b in bindings})
    return table


def served(table: BindingTable, binding: Binding) -> bool:
    """Tell whether calls on the binding's path would be judged."""
    entry = table.lookup(path_of(binding))
    return entry is not None and entry.refusal is None and entry.uid == binding.uid


SIGNED_URL = {**HMAC, "prefix": "", "message": ["url"], "bodyAuthenticated": False}
ONE, TWO, THREE = (make_binding(n, TARGET) for n in (1, 2, 3))


def test_a_new_table_is_empty_and_not_loaded() -> None:
    table = BindingTable()
    assert (table.loaded, len(table), table.lookup(path_of(ONE))) == (False, 0, None)


def test_single_changes_do_not_make_a_table_loaded() -> None:
    table = BindingTable()
    table.put(ONE.uid, encode(ONE))
    assert (table.loaded, served(table, ONE)) == (False, True)


def test_a_full_list_replaces_everything() -> None:
    table = table_of(ONE, TWO)
    table.replace({b.uid: encode(b) for b in (TWO, THREE)})
    assert [served(table, b) for b in (ONE, TWO, THREE)] == [False, True, True]


def test_an_unchanged_binding_keeps_its_entry_over_a_full_list() -> None:
    table = table_of(ONE)
    before = table.lookup(path_of(ONE))
    table.replace({ONE.uid: encode(ONE)})
    assert table.lookup(path_of(ONE)) is before


def test_what_is_learnt_of_an_endpoint_begins_with_its_first_call_and_stays() -> None:
    table = table_of(ONE)
    first = table.lookup(path_of(ONE))
    table.put(TWO.uid, encode(TWO))
    assert first is not None
    assert table.lookup(path_of(ONE)) is first
    table.put(ONE.uid, encode(replace(ONE, max_body_bytes=ONE.max_body_bytes - 1)))
    second = table.lookup(path_of(ONE))
    assert second is not None
    assert second is not first
    assert second.circuit is first.circuit


def test_an_endpoint_that_was_never_called_is_served_as_its_newest_binding_says() -> None:
    table = table_of(ONE)
    newest = replace(ONE, max_body_bytes=7)
    table.put(ONE.uid, encode(newest))
    entry = table.lookup(path_of(ONE))
    assert entry is not None
    assert entry.max_body_bytes == 7
    assert entry.digest == table.digest(ONE.uid) == digest(encode(newest))


def test_an_endpoint_that_was_called_of_late_keeps_what_was_learnt_and_any_other_is_prepared_again() -> None:
    table = table_of(ONE, TWO)
    first = table.lookup(path_of(ONE))
    table.rest()
    assert table.lookup(path_of(ONE)) is first
    table.rest()
    table.rest()
    later = table.lookup(path_of(ONE))
    assert later is not first
    assert first is not None
    assert later is not None
    assert (later.digest, later.target, later.path) == (first.digest, first.target, first.path)
    assert [table.digest(each.uid) for each in (ONE, TWO)] == [digest(encode(each)) for each in (ONE, TWO)]


def test_a_change_of_an_endpoint_that_rests_since_lately_keeps_what_was_learnt_of_its_target() -> None:
    table = table_of(ONE)
    first = table.lookup(path_of(ONE))
    table.rest()
    table.put(ONE.uid, encode(replace(ONE, max_body_bytes=7)))
    second = table.lookup(path_of(ONE))
    assert first is not None
    assert second is not None
    assert (second.max_body_bytes, second.circuit) == (7, first.circuit)


def test_what_is_left_of_a_rate_never_rests() -> None:
    limited = replace(ONE, rate=Rate(requests=1, per_ms=1000, burst=1))
    table = table_of(limited)
    first = table.lookup(path_of(limited))
    for _ in range(3):
        table.rest()
    assert first is not None
    assert table.lookup(path_of(limited)) is first


def test_a_path_that_several_claim_does_not_rest() -> None:
    other = replace(TWO, segment=ONE.segment)
    table = table_of(ONE, other)
    for _ in range(3):
        table.rest()
    table.remove(TWO.uid)
    assert served(table, ONE)


def test_removing_an_unknown_uid_changes_nothing() -> None:
    table = table_of(ONE)
    table.remove("nobody")
    assert served(table, ONE)


def test_an_entry_in_hand_is_not_touched_by_later_changes() -> None:
    table = table_of(ONE)
    entry = table.lookup(path_of(ONE))
    assert entry is not None
    kept = entry.digest
    table.put(ONE.uid, encode(make_binding(1, TARGET, active=False)))
    table.remove(ONE.uid)
    assert (entry.digest, entry.refusal) == (kept, None)


def test_a_new_path_of_an_endpoint_ends_the_old_one() -> None:
    table = table_of(ONE)
    table.put(ONE.uid, encode(make_binding(1, TARGET, segment=THREE.segment)))
    assert (table.lookup(path_of(ONE)), table.lookup(path_of(THREE)) is not None) == (None, True)


def test_a_path_that_was_replaced_verifies_what_was_signed_for_it_and_nothing_else() -> None:
    """Where the sender signs its URL: until it knows the new one, that is the former."""
    former, now = "a" * 32, "b" * 32
    binding = replace(ONE, segment=now, auth=SIGNED_URL, url=f"https://hooks.example.com/h/{now}")
    table = table_of(replace(binding, retired=(RetiredPath(segment=former, expires=9),)))
    accepted = {
        (path, url): authenticate(entry, signed(f"https://hooks.example.com/h/{url}"), 1.0).accepted
        for path in (former, now)
        for url in (former, now)
        if (entry := table.lookup(f"/h/{path}".encode())) is not None
    }
    assert accepted == {(former, former): True, (former, now): False, (now, former): False, (now, now): True}


def signed(url: str) -> Request:
    value = hmac.digest(SECRET, url.encode(), "sha256").hex().encode()
    return Request(method="POST", headers=((b"x-signature", value),), query=b"", body=b"{}")


def test_a_binding_without_a_path_is_in_force_and_reachable_nowhere() -> None:
    binding = make_binding(1, TARGET, segment=None, active=False)
    table = table_of(binding)
    assert (table.digest(binding.uid), len(table)) == (digest(encode(binding)), 1)


BROKEN = {
    "nothing": b"",
    "no JSON": b"{",
    "no object": b"[]",
    "not UTF-8": b"\xff\xfe",
    "deeply nested": b"[" * 100_000,
    "a member missing": b'{"version":1,"uid":"uid-1","path":null}',
    "a path that is none": json.dumps({**json.loads(encode(ONE)), "path": "../../etc"}).encode(),
    "another's uid": encode(TWO),
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_update_takes_its_own_endpoint_out_and_no_other(raw: bytes) -> None:
    table = table_of(ONE, TWO)
    table.put(ONE.uid, raw)
    assert [served(table, b) for b in (ONE, TWO)] == [False, True]


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_binding_in_a_full_list_takes_no_other_along(raw: bytes) -> None:
    table = BindingTable()
    table.replace({ONE.uid: raw, TWO.uid: encode(TWO)})
    assert ([served(table, b) for b in (ONE, TWO)], table.loaded) == ([False, True], True)


WHOLE = replace(
    make_binding(1, TARGET, auth=SIGNED_URL),
    url="https://hooks.example.com/h/" + str(ONE.segment),
    retired=(RetiredPath(segment=str(THREE.segment), expires=9_000_000_000),),
    rate=Rate(requests=1, per_ms=1000, burst=1),
    allowed_networks=("192.0.2.0/24",),
)
ODD: list[Any] = [
    None, True, 0, -1, 1.5, 1e308, math.nan, math.inf, 10**30, "", "x", "é", "\ud800", "http://[::1", "http://a:99999/",
    "https://é/", "https://hooks.example.com\x00/", "0" * 5000, "[" * 500, [], [1], ["é"], [None], {}, {"a": 1}, [{}],
]  # fmt: skip


def places(value: Any, *above: str | int) -> Iterator[tuple[str | int, ...]]:
    """Yield where each member and item of a document stands."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield (*above, key)
        yield from places(below, *above, key)


def bent(place: tuple[str | int, ...], odd: Any) -> bytes:
    """Return a binding with one odd value in it."""
    document = inner = json.loads(encode(WHOLE))
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = odd
    return json.dumps(document).encode()


@pytest.mark.parametrize("place", list(places(json.loads(encode(WHOLE)))), ids=lambda place: ".".join(map(str, place)))
def test_an_odd_value_anywhere_in_a_binding_takes_no_other_endpoint_along(place: tuple[str | int, ...]) -> None:
    for odd in ODD:
        table = BindingTable()
        table.replace({WHOLE.uid: bent(place, odd), TWO.uid: encode(TWO)})
        assert (served(table, TWO), table.loaded) == (True, True)
        table.put(WHOLE.uid, encode(WHOLE))
        assert served(table, WHOLE)
        table.put(WHOLE.uid, bent(place, odd))
        assert served(table, TWO)


def test_what_nobody_foresaw_in_one_binding_takes_no_other_endpoint_along(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(raw: bytes) -> Binding | NewerBinding:
        if raw == encode(ONE):
            raise KeyError
        return decode(raw)

    monkeypatch.setattr("hookgate.receiver.table.decode", failing)
    table = table_of(ONE, TWO)
    assert ([served(table, b) for b in (ONE, TWO)], table.loaded) == ([False, True], True)
    assert table.troubles[Trouble.UNDECODABLE] == 1


@pytest.mark.parametrize("url", ["https://[::1/h/x", "https://\xe9.example.com/h/x"])
def test_a_url_that_cannot_be_told_to_a_target_closes_its_endpoint(url: str) -> None:
    table = table_of(replace(ONE, url=url), TWO)
    entry = table.lookup(path_of(ONE))
    assert entry is not None
    assert (entry.refusal, table.digest(ONE.uid), served(table, TWO)) == (Refusal.UNUSABLE, None, True)


@pytest.mark.parametrize(
    ("raw", "trouble"),
    [
        (b"{", Trouble.UNDECODABLE),
        (encode(TWO), Trouble.WRONG_UID),
        (b'{"version":2,"uid":"uid-1","path":null}', Trouble.NEWER),
        (encode(make_binding(1, TARGET, auth={"type": "?"})), Trouble.UNVERIFIABLE),
        (encode(make_binding(1, "ftp://x/")), Trouble.INVALID_TARGET),
        (encode(make_binding(1, TARGET, segment=THREE.segment)), Trouble.CONTESTED_PATH),
    ],
    ids=lambda v: v.value if isinstance(v, Trouble) else "",
)
def test_every_trouble_is_counted_and_has_no_digest(raw: bytes, trouble: Trouble) -> None:
    table = table_of(THREE)
    table.put(ONE.uid, raw)
    assert ({t: n for t, n in table.troubles.items() if n}, table.digest(ONE.uid)) == ({trouble: 1}, None)


def test_a_signing_key_of_another_form_takes_its_own_endpoint_out_and_no_other() -> None:
    table = BindingTable()
    table.put("uid-1", encode(make_binding(1, TARGET, forward_keys=(Key(id="f", value=Sensitive(b"raw"), created=0),))))
    table.put("uid-2", encode(make_binding(2, TARGET)))
    assert (table.digest("uid-1"), table.digest("uid-2") is None) == (None, False)
    assert table.troubles[Trouble.UNVERIFIABLE] == 1


def test_an_inactive_binding_needs_no_usable_target_or_descriptor() -> None:
    binding = make_binding(1, "", active=False, auth={})
    raw = encode(make_binding(1, "nonsense", active=False, auth={}))
    table = table_of(binding)
    table.put(binding.uid, raw)
    assert table.digest(binding.uid) == digest(raw)


def test_a_closed_binding_has_no_path_and_its_digest_is_confirmed() -> None:
    closed = make_binding(1, TARGET, active=False, closed=True)
    table = table_of(closed)
    assert (table.lookup(path_of(closed)), table.digest(closed.uid)) == (None, digest(encode(closed)))


def contested(entry: Entry | None) -> bool:
    """Tell whether an entry accepts nothing because its path is contested."""
    return entry is not None and entry.trouble is Trouble.CONTESTED_PATH and entry.verify is None


def test_a_contested_path_serves_none_of_its_claimants() -> None:
    rival, third = (make_binding(n, TARGET, segment=ONE.segment) for n in (2, 3))
    table = table_of(ONE, rival, third)
    assert contested(table.lookup(path_of(ONE)))
    assert [table.digest(b.uid) for b in (ONE, rival, third)] == [None, None, None]


def test_a_path_is_served_again_when_one_claimant_is_left() -> None:
    rival, third = (make_binding(n, TARGET, segment=ONE.segment) for n in (2, 3))
    table = table_of(ONE, rival, third)
    table.remove(rival.uid)
    still = contested(table.lookup(path_of(ONE)))
    table.remove(third.uid)
    assert (still, served(table, ONE), table.digest(ONE.uid)) == (True, True, digest(encode(ONE)))


def test_an_update_of_a_claimant_does_not_end_the_contest() -> None:
    table = table_of(ONE, make_binding(2, TARGET, segment=ONE.segment))
    table.put("uid-2", encode(make_binding(2, TARGET + "/x", segment=ONE.segment)))
    assert contested(table.lookup(path_of(ONE)))


def test_a_claimant_that_moves_away_ends_the_contest() -> None:
    table = table_of(ONE, make_binding(2, TARGET, segment=ONE.segment))
    table.put("uid-2", encode(TWO))
    assert [served(table, b) for b in (ONE, TWO)] == [True, True]


def test_logs_of_broken_bindings_hold_no_value(caplog: pytest.LogCaptureFixture) -> None:
    document = json.loads(encode(ONE))
    document["keys"][0]["value"] = "c2VjcmV0!"
    table = BindingTable()
    table.put(ONE.uid, json.dumps(document).encode())
    assert caplog.messages
    assert not any("c2VjcmV0" in m or str(ONE.segment) in m or TARGET in m for m in caplog.messages)
