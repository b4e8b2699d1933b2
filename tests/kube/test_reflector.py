"""The reflector's copy stays true through every fault of the stream and of the server."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from hookgate.kube import reflector as reflector_module
from hookgate.kube.reflector import backoff
from tests.kube.asyncrun import eventually, run
from tests.kube.fakeserver import FakeApiServer, failing, saying, silent, status_object
from tests.kube.reflecting import Told, names, reflecting, watching


def test_a_watch_asks_for_bookmarks_and_an_end() -> None:
    """The watch starts at the list's version, with bookmarks and a server-side end between five and ten minutes."""

    async def test() -> None:
        async with FakeApiServer() as server:
            server.put("a")
            async with reflecting(server, Told(), labels="app=x", chance=lambda: 0.5) as reflector:
                await watching(server, reflector)
            expected = {
                "watch": "true",
                "allowWatchBookmarks": "true",
                "resourceVersion": "101",
                "timeoutSeconds": "450",
                "labelSelector": "app=x",
            }
            assert server.requests("watch")[0].query == expected
            assert server.requests("list")[0].query == {"limit": "500", "labelSelector": "app=x"}

    run(test())


def test_a_bookmark_moves_the_version_to_reconnect_from() -> None:
    """After a bookmark and a cut, the next watch starts at the bookmark."""

    async def test() -> None:
        told = Told()
        async with FakeApiServer() as server, reflecting(server, told) as reflector:
            await watching(server, reflector)
            server.bookmark()
            server.put("a")
            await eventually(lambda: told.changes, "the event behind the bookmark")
            server.bookmark()
            heard = reflector.last_heard
            await eventually(lambda: reflector.last_heard > heard or server.watching == 0, "the bookmark to arrive")
            server.end()
            await eventually(lambda: len(server.requests("watch")) == 2, "a second watch")
            assert server.requests("watch")[1].query["resourceVersion"] == str(server.version)
            assert len(server.requests("list")) == 1

    run(test())


def test_a_cut_stream_continues_without_a_list() -> None:
    """What happened while the stream was down is replayed from the last version, once."""

    async def test() -> None:
        told = Told()
        async with FakeApiServer() as server, reflecting(server, told) as reflector:
            await watching(server, reflector)
            server.put("a")
            await eventually(lambda: told.changes, "a")
            server.cut()
            server.put("b", quiet=True)
            await eventually(lambda: len(told.changes) == 2, "b after the cut")
            assert told.changes == [("ADDED", "a"), ("ADDED", "b")]
            assert len(server.requests("list")) == 1

    run(test())


def test_410_as_a_status_lists_again_and_tells_deletions_of_the_gap() -> None:
    """Objects that vanished are DELETED first, changed ones MODIFIED, unchanged ones not told."""

    async def test() -> None:
        told = Told()
        async with FakeApiServer() as server:
            for name in ("gone", "changed", "same"):
                server.put(name)
            async with reflecting(server, told) as reflector:
                await watching(server, reflector)
                told.changes.clear()
                server.next("watch", failing(410, "Expired"))
                server.remove("gone", quiet=True)
                server.put("changed", data="2", quiet=True)
                server.put("new", quiet=True)
                server.history.clear()
                server.end()
                await eventually(lambda: len(server.requests("list")) == 2 and len(told.changes) == 3, "a second list")
                assert told.changes == [("DELETED", "gone"), ("MODIFIED", "changed"), ("ADDED", "new")]
                assert names(reflector) == ["changed", "new", "same"]

    run(test())


def test_410_as_an_event_lists_again() -> None:
    """An ERROR event with code 410 closes the gap in the same way."""

    async def test() -> None:
        told = Told()
        async with FakeApiServer() as server:
            server.put("gone")
            async with reflecting(server, told) as reflector:
                await watching(server, reflector)
                server.remove("gone", quiet=True)
                server.send({"type": "ERROR", "object": status_object(410, "Expired")})
                await eventually(lambda: ("DELETED", "gone") in told.changes, "the deletion")
                assert (len(server.requests("list")), reflector.failure) == (2, None)

    run(test())


def test_another_error_event_reconnects_from_the_last_version() -> None:
    """An ERROR event with code 500 costs no list."""

    async def test() -> None:
        told = Told()
        async with FakeApiServer() as server, reflecting(server, told) as reflector:
            await watching(server, reflector)
            server.send({"type": "ERROR", "object": status_object(500, "InternalError")})
            await eventually(lambda: len(server.requests("watch")) == 2, "a second watch")
            server.put("a")
            await eventually(lambda: told.changes, "an event")
            assert len(server.requests("list")) == 1
            assert reflector.failure is None

    run(test())


def test_a_garbage_line_is_survived_by_a_new_list() -> None:
    """What the line would have said is unknown, so the truth is listed."""

    async def test() -> None:
        told = Told()
        async with FakeApiServer() as server:
            server.next("watch", saying(b'{"type":"ADDED","object":{"metadata":{"name":"sec\n{}\n'))
            async with reflecting(server, told) as reflector:
                await reflector.synced.wait()
                server.put("a", quiet=True)
                await eventually(lambda: told.changes, "a")
                assert len(server.requests("list")) == 2

    run(test())


def test_an_unfinished_last_line_counts_for_nothing() -> None:
    """A stream that ends inside a line is continued from the last complete event."""

    async def test() -> None:
        told = Told()
        async with FakeApiServer() as server:
            server.next("watch", saying(b'{"type":"ADDED","obj'))
            async with reflecting(server, told) as reflector:
                await watching(server, reflector)
                versions = [watch.query["resourceVersion"] for watch in server.requests("watch")]
                assert versions == ["100", "100"]
                assert len(server.requests("list")) == 1

    run(test())


def test_a_silent_stream_is_replaced() -> None:
    """A stream without a byte for the given time is dropped and continued, which alone is no failure."""

    async def test() -> None:
        told = Told()
        async with FakeApiServer() as server:
            server.next("watch", silent)
            async with reflecting(server, told, silence_s=0.2) as reflector:
                await reflector.synced.wait()
                server.put("a", quiet=True)
                await eventually(lambda: told.changes, "what the silent stream never told")
                assert (len(server.requests("list")), reflector.failure) == (1, None)

    run(test())


def test_what_a_watch_was_never_told_is_found_by_listing_again() -> None:
    """With a resync the list is read again when a watch ends that is old enough; what it repeats is not told."""

    async def test() -> None:
        told = Told()
        async with FakeApiServer() as server:
            server.put("same")
            server.put("gone")
            async with reflecting(server, told, resync_s=0.01) as reflector:
                await watching(server, reflector)
                same = reflector.get("ns", "same")
                told.changes.clear()
                server.remove("gone", quiet=True)
                server.history.clear()
                server.end()
                await eventually(lambda: told.changes, "the deletion that no watch told")
                assert told.changes == [("DELETED", "gone")]
                assert reflector.get("ns", "same") is same

    run(test())


@pytest.mark.parametrize(("status", "reason"), [(429, "TooManyRequests"), (500, "InternalError"), (410, "Expired")])
def test_a_refused_resync_does_not_keep_the_watch_from_going_on(status: int, reason: str) -> None:
    """What is revoked while lists are refused is told all the same."""

    async def test() -> None:
        told, ticks = Told(), itertools.count()
        async with FakeApiServer() as server:
            server.put("revoked")
            # By this clock a list is long due whenever a watch ends.
            hurried = reflecting(server, told, resync_s=1.0, clock=lambda: float(next(ticks)))
            async with hurried as reflector:
                await watching(server, reflector)
                told.changes.clear()
                for _ in range(100):
                    server.next("list", failing(status, reason, retry_after="3600"))
                server.end()
                server.remove("revoked", quiet=True)
                await eventually(lambda: told.changes, "the revocation")
                assert told.changes == [("DELETED", "revoked")]
                assert (len(server.requests("list")) > 1, reflector.failure) == (True, None)

    run(test())


def test_silence_does_not_add_up_to_a_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind where nothing happens is watched without ever longer gaps; an answer that is an error does add up."""
    failures: list[int] = []

    def recorded(count: int, chance: float, retry_after: float | None = None) -> float:
        failures.append(count)
        return 0.0

    monkeypatch.setattr(reflector_module, "backoff", recorded)

    async def test() -> None:
        async with FakeApiServer() as server:
            for answer in (failing(500, "InternalError"), failing(500, "InternalError"), silent, silent):
                server.next("watch", answer)
            async with reflecting(server, Told(), silence_s=0.5):
                await eventually(lambda: len(failures) >= 4, "four watches that ended")
            assert failures[:4] == [1, 2, 0, 0]

    run(test())


def test_a_failing_list_is_tried_again_and_reported() -> None:
    """Until the list works `failure` says why it does not, and `synced` stays unset."""

    async def test() -> None:
        told = Told()
        async with FakeApiServer() as server:
            for _ in range(2):
                server.next("list", failing(500, "InternalError"))
            server.put("a")
            async with reflecting(server, told) as reflector:
                await eventually(lambda: reflector.failure is not None, "a failure")
                assert reflector.failure is not None
                assert str(reflector.failure) == "list Secret ns: 500 InternalError"
                assert not reflector.synced.is_set()
                await watching(server, reflector)
                assert reflector.failure is None
                assert told.changes == [("ADDED", "a")]

    run(test())


def test_backoff_doubles_within_bounds_and_honours_retry_after() -> None:
    """Between half and all of a delay that doubles up to 30 s, but never less than the server asks for."""
    assert [backoff(failures, 0.0) for failures in (0, 1, 2, 3)] == [0.1, 0.2, 0.4, 0.8]
    assert [round(backoff(1, chance), 3) for chance in (0.0, 0.5, 1.0)] == [0.2, 0.3, 0.4]
    assert (backoff(1000, 0.0), backoff(1000, 1.0)) == (15.0, 30.0)
    assert (backoff(0, 0.0, 7.0), backoff(1000, 0.0, 7.0)) == (7.0, 15.0)


def test_a_throttled_list_tells_how_long_to_wait() -> None:
    """The server's Retry-After arrives at the reflector, which gets through afterwards."""

    async def test() -> None:
        async with FakeApiServer() as server:
            server.next("list", failing(429, "TooManyRequests", retry_after="0.3"))
            async with reflecting(server, Told()) as reflector:
                await eventually(lambda: reflector.failure is not None, "a failure")
                assert reflector.failure is not None
                assert (reflector.failure.reason, reflector.failure.retry_after) == ("TooManyRequests", 0.3)
                await reflector.synced.wait()

    run(test())


def test_an_expired_continue_token_starts_the_list_again() -> None:
    """Pages of a broken list are never mixed with those of the next."""

    async def test() -> None:
        told = Told()
        async with FakeApiServer() as server:
            for number in range(501):
                server.put(f"s{number:03}")

            async def first_page_then_gone(request: Any) -> Any:
                server.next("list", failing(410, "Expired"))
                return server.list_answer(request)

            server.next("list", first_page_then_gone)
            async with reflecting(server, told) as reflector:
                await reflector.synced.wait()
                assert len(reflector) == 501
                assert len(told.changes) == 501
            assert [page.query.get("continue") for page in server.requests("list")] == [None, "500", None, "500"]

    run(test())


def test_a_vanished_server_leaves_the_store_in_force() -> None:
    """While the server is away the copy is served; when it is back the copy catches up."""

    async def test() -> None:
        told = Told()
        async with FakeApiServer() as server:
            server.put("a")
            async with reflecting(server, told) as reflector:
                await watching(server, reflector)
                await server.stop()
                await eventually(lambda: reflector.failure is not None, "a failure")
                assert names(reflector) == ["a"]
                assert reflector.failure is not None
                assert reflector.failure.unreachable
                server.put("b")
                await server.start()
                await eventually(lambda: names(reflector) == ["a", "b"], "b")
                assert reflector.failure is None

    run(test())


def test_a_reflector_turns_as_long_as_it_hears_or_tries() -> None:
    """Bookmarks are turns, and so are attempts while the server is away; one whose loop is stuck has none."""

    async def test() -> None:
        ticks = itertools.count()
        async with (
            FakeApiServer() as server,
            reflecting(server, Told(), clock=lambda: float(next(ticks))) as reflector,
        ):
            await watching(server, reflector)
            before = reflector.last_turn
            server.bookmark()
            await eventually(lambda: reflector.last_turn > before, "a turn by a bookmark")
            await server.stop()
            await eventually(lambda: reflector.failure is not None, "a failure")
            heard, before = reflector.last_heard, reflector.last_turn
            await eventually(lambda: reflector.last_turn > before, "a turn by an attempt")
            assert reflector.last_heard == heard

    run(test())


def test_cancelling_closes_the_stream() -> None:
    """A cancelled reflector leaves no connection behind."""

    async def test() -> None:
        async with FakeApiServer() as server:
            async with reflecting(server, Told()) as reflector:
                await watching(server, reflector)
            server.put("a")  # a write to a closed peer is what tells the server
            await eventually(lambda: server.watching == 0, "no open watch")

    run(test())
