"""The client's own rules: what its errors say, how it pages, when it does not write."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import yaml
from aiohttp import web

from hookgate.kube.api import HTTPROUTES, LEASES, NAMESPACES, SECRETS, Api, ApiError
from hookgate.kube.documents import as_yaml
from hookgate.kube.light import NoToken
from hookgate.kube.transport import Call, Connection, HttpTransport, Reply, Transport
from tests.kube.asyncrun import run
from tests.kube.fakeserver import FakeApiServer, failing, saying

Use = Callable[[FakeApiServer, Api], Awaitable[None]]


def using(test: Use) -> None:
    """Run ``test`` with a fake server and a client of it."""

    async def whole() -> None:
        async with FakeApiServer() as server, client(server) as api:
            await test(server, api)

    run(whole())


def client(server: FakeApiServer) -> Api:
    return Api(HttpTransport(Connection(server=server.url, credentials=NoToken())))


async def failure_of(call: Awaitable[object]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await call
    return caught.value


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (SECRETS.path(), "/api/v1/secrets"),
        (SECRETS.path("ns", "a"), "/api/v1/namespaces/ns/secrets/a"),
        (HTTPROUTES.path("ns", "a", "status"), "/apis/gateway.networking.k8s.io/v1/namespaces/ns/httproutes/a/status"),
        (NAMESPACES.path("ignored", "a"), "/api/v1/namespaces/a"),
        (SECRETS.path("ns", "../../x?y"), "/api/v1/namespaces/ns/secrets/..%2F..%2Fx%3Fy"),
    ],
)
def test_paths(path: str, expected: str) -> None:
    """Groups, namespaces, cluster-scoped kinds, subresources; a name cannot leave its place in the path."""
    assert path == expected


def test_get_returns_the_object_or_none() -> None:
    """404 is an answer, not a failure."""

    async def test(server: FakeApiServer, api: Api) -> None:
        server.put("a", data="1")
        found = await api.get(SECRETS, "a", "ns")
        assert found is not None
        assert found["data"] == {"value": "1"}
        assert await api.get(SECRETS, "b", "ns") is None

    using(test)


def test_lists_are_read_in_pages_and_their_items_carry_their_type() -> None:
    """Twelve hundred objects are three pages of at most five hundred."""

    async def test(server: FakeApiServer, api: Api) -> None:
        for number in range(1200):
            server.put(f"s{number}")
        items, version = await api.list(SECRETS, "ns", labels="a=b")
        assert (len(items), version) == (1200, "1300")
        assert (items[-1]["kind"], items[-1]["apiVersion"]) == ("Secret", "v1")
        assert [page.query for page in server.requests("list")] == [
            {"limit": "500", "labelSelector": "a=b"} | extra
            for extra in ({}, {"continue": "500"}, {"continue": "1000"})
        ]

    using(test)


def test_a_list_whose_continue_token_expires_is_read_again() -> None:
    """Once; the objects of the broken attempt are not in the result."""

    async def test(server: FakeApiServer, api: Api) -> None:
        for number in range(501):
            server.put(f"s{number}")

        async def first(request: web.Request) -> web.StreamResponse:
            server.next("list", failing(410, "Expired"))
            return server.list_answer(request)

        server.next("list", first)
        items, _ = await api.list(SECRETS, "ns")
        assert len(items) == 501

    using(test)


def test_an_error_says_what_where_and_why_and_never_what_the_server_wrote() -> None:
    """The server's sentence can quote a Secret's value: it is kept apart from the text, the repr and the traceback."""

    async def test(server: FakeApiServer, api: Api) -> None:
        server.next("patch", failing(422, "Invalid", message="data: hunter2 is invalid"))
        error = await failure_of(api.apply(SECRETS, {"metadata": {"namespace": "ns", "name": "a"}}))
        assert str(error) == "apply Secret ns/a: 422 Invalid"
        assert error.message == "data: hunter2 is invalid"
        assert "hunter2" not in repr(error) + "".join(traceback.format_exception(error))
        assert error.invalid

    using(test)


def test_nobody_listening_is_unreachable() -> None:
    """A refused connection is status 0."""

    async def test(server: FakeApiServer, api: Api) -> None:
        await server.stop()
        error = await failure_of(api.get(SECRETS, "a", "ns"))
        assert (str(error), error.status) == ("get Secret ns/a: Unreachable", 0)
        assert error.unreachable

    using(test)


def test_a_server_that_does_not_answer_is_unreachable_in_time() -> None:
    """Every request ends, also against a server that accepts and says nothing."""

    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3600)
        raise AssertionError

    async def test(server: FakeApiServer, api: Api) -> None:
        server.next("get", never)
        hasty = Api(transport=Hasty(HttpTransport(Connection(server=server.url, credentials=NoToken()))))
        async with hasty:
            assert (await failure_of(hasty.get(SECRETS, "a", "ns"))).unreachable

    using(test)


class Hasty:
    """A transport that waits a tenth of a second for everything."""

    def __init__(self, transport: HttpTransport) -> None:
        self._transport = transport
        self.stream = transport.stream
        self.close = transport.close

    async def request(self, call: Call) -> Reply:
        return await self._transport.request(
            Call(method=call.method, path=call.path, query=call.query, body=call.body, timeout_s=0.1)
        )


def test_an_answer_that_is_no_object_is_malformed() -> None:
    """A proxy's page with status 200 is not mistaken for an object, and its text is not told."""

    async def page(request: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>hunter2</html>")

    async def test(server: FakeApiServer, api: Api) -> None:
        server.next("get", page)
        error = await failure_of(api.get(SECRETS, "a", "ns"))
        assert (str(error), error.transient) == ("get Secret ns/a: Malformed", True)
        assert "hunter2" not in "".join(traceback.format_exception(error))

    using(test)


def test_a_redirect_is_not_followed() -> None:
    """The token stays with the server it was meant for."""

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/api/v1/namespaces/ns/secrets/b"})

    async def test(server: FakeApiServer, api: Api) -> None:
        server.put("b")
        server.next("get", elsewhere)
        assert (await failure_of(api.get(SECRETS, "a", "ns"))).status == 302

    using(test)


def test_no_request_is_repeated_on_failure() -> None:
    """Whether to try again is the caller's decision, for reads and deletions too."""

    async def test(server: FakeApiServer, api: Api) -> None:
        for verb in ("get", "delete", "put"):
            server.next(verb, failing(503, "ServiceUnavailable"))
        obj = {"metadata": {"namespace": "ns", "name": "a"}}
        for call in (api.get(SECRETS, "a", "ns"), api.delete(SECRETS, "a", "ns"), api.replace(SECRETS, obj)):
            assert (await failure_of(call)).status == 503
        assert [seen.verb for seen in server.seen] == ["get", "delete", "put"]

    using(test)


@pytest.mark.parametrize("text", ["\U0001f600 and \u00fc", r"\ud83d\ude00", "\\\U0001f600", "\u2028\x85\x7f"])
def test_what_is_applied_is_yaml_as_well_as_json(text: str) -> None:
    """YAML parsers, the API server's among them, refuse the two halves by which JSON escapes emojis."""
    document = as_yaml(json.dumps({"a": text}).encode())
    assert yaml.safe_load(document) == json.loads(document) == {"a": text}


def test_what_an_apply_sends() -> None:
    """A typed object without managedFields, as apply-patch, with our field manager and force."""

    async def test(server: FakeApiServer, api: Api) -> None:
        server.next("patch", echo)
        obj = {"metadata": {"namespace": "ns", "name": "a", "uid": "u", "managedFields": []}, "data": {}}
        await api.apply(SECRETS, obj)
        sent = server.requests("patch")[0]
        assert sent.path == "/api/v1/namespaces/ns/secrets/a"
        assert sent.query == {"fieldManager": "hookgate", "fieldValidation": "Ignore", "force": "true"}
        assert sent.headers["content-type"] == "application/apply-patch+yaml"
        assert json.loads(sent.body) == {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"namespace": "ns", "name": "a", "uid": "u"},
            "data": {},
        }
        assert "managedFields" in obj["metadata"]

    using(test)


async def echo(request: web.Request) -> web.StreamResponse:
    """Answer a write with what was written."""
    return web.json_response(json.loads(await request.read()))


def test_a_deletion_carries_its_preconditions() -> None:
    """Only those that were given; the dependents follow in the background."""

    async def test(server: FakeApiServer, api: Api) -> None:
        server.next("delete", echo)
        assert await api.delete(SECRETS, "a", "ns", uid="u") is True
        sent = json.loads(server.requests("delete")[0].body)
        assert (sent["preconditions"], sent["propagationPolicy"]) == ({"uid": "u"}, "Background")
        assert await api.delete(SECRETS, "a", "ns") is False

    using(test)


def test_a_fenced_client_reads_but_does_not_write() -> None:
    """Right before each change the fence is asked; a no sends nothing. The unfenced client goes on writing."""

    async def test(server: FakeApiServer, api: Api) -> None:
        may = True
        fenced = api.fenced(lambda: may)
        obj = {"metadata": {"namespace": "ns", "name": "a"}}
        server.next("post", echo)
        await fenced.create(SECRETS, obj)
        may = False
        writes: list[Callable[[], Awaitable[Any]]] = [
            lambda: fenced.create(SECRETS, obj),
            lambda: fenced.replace(SECRETS, obj),
            lambda: fenced.apply(SECRETS, obj),
            lambda: fenced.merge_patch(SECRETS, "a", "ns", {}),
            lambda: fenced.delete(SECRETS, "a", "ns"),
        ]
        for write in writes:
            assert (await failure_of(write())).not_leader
        assert await fenced.get(SECRETS, "a", "ns") is None
        server.next("post", echo)
        await api.create(LEASES, obj)
        assert [seen.verb for seen in server.seen] == ["post", "get", "post"]

    using(test)


def test_the_fence_is_asked_at_the_last_moment() -> None:
    """A process that was stopped while it waited for a connection finds the fence closed, and nothing takes effect."""

    async def test(server: FakeApiServer, api: Api) -> None:
        answers = [True, False]
        fenced = api.fenced(lambda: answers.pop(0))
        error = await failure_of(fenced.apply(SECRETS, {"metadata": {"namespace": "ns", "name": "a"}}))
        assert (str(error), answers) == ("apply Secret ns/a: NotLeader", [])
        assert await api.get(SECRETS, "a", "ns") is None
        assert server.requests("patch") == []

    using(test)


def test_a_watch_yields_every_event_as_it_is() -> None:
    """Bookmarks and errors included; empty lines are nothing."""

    async def test(server: FakeApiServer, api: Api) -> None:
        server.next("watch", saying(b'{"type":"BOOKMARK","object":{}}\n\n{"type":"ERROR","object":{"code":1}}\n'))
        opened: list[int] = []
        watch = api.watch(SECRETS, "ns", resource_version="7", timeout_s=9.9, opened=lambda: opened.append(1))
        assert [event async for event in watch] == [
            {"type": "BOOKMARK", "object": {}},
            {"type": "ERROR", "object": {"code": 1}},
        ]
        assert (server.seen[0].query["resourceVersion"], server.seen[0].query["timeoutSeconds"]) == ("7", "9")
        assert opened == [1]

    using(test)


def test_an_event_larger_than_any_buffer_arrives_whole() -> None:
    """Objects of several megabytes come in many pieces."""

    async def test(server: FakeApiServer, api: Api) -> None:
        value = "x" * 5_000_000
        server.next("watch", saying(json.dumps({"type": "ADDED", "object": {"data": value}}).encode() + b"\n"))
        events = [event async for event in api.watch(SECRETS, "ns", resource_version="7", timeout_s=9)]
        assert [len(event["object"]["data"]) for event in events] == [5_000_000]

    using(test)


def test_a_refused_watch_is_an_error() -> None:
    """As with any other verb."""

    async def test(server: FakeApiServer, api: Api) -> None:
        server.next("watch", failing(403, "Forbidden"))
        error = await failure_of(anext(api.watch(SECRETS, "ns", resource_version="7", timeout_s=9)))
        assert str(error) == "watch Secret ns: 403 Forbidden"

    using(test)


def test_the_transport_is_replaceable() -> None:
    """Anything with these three methods will do."""

    class Recorded:
        def __init__(self) -> None:
            self.calls: list[Call] = []

        async def request(self, call: Call) -> Reply:
            self.calls.append(call)
            return Reply(status=200, body=b"{}")

        def stream(self, call: Call) -> Any:
            raise NotImplementedError

        async def close(self) -> None:
            self.calls.clear()

    async def test() -> None:
        recorded = Recorded()
        transport: Transport = recorded
        async with Api(transport) as api:
            await api.get(SECRETS, "a", "ns")
            assert [(call.method, call.path) for call in recorded.calls] == [("GET", "/api/v1/namespaces/ns/secrets/a")]
        assert recorded.calls == []

    run(test())
