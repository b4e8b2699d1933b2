"""Fetching the key sets of issuers, from a real server: bounded, kept fresh, kept through outages, nothing followed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from hookgate.config.load import InvalidConfig, parse_config
from hookgate.control import jwks
from hookgate.control.cluster import Request
from hookgate.control.jwks import KeySets, is_public
from hookgate.control.values import Published
from hookgate.model.endpoint import KeySet
from hookgate.model.grammar import HttpUrl
from hookgate.scheme.jwt import public_key_set
from tests.kube.asyncrun import eventually, run
from tests.kube.pki import Authority
from tests.scheme.tokens import key_set, rsa

ENDPOINT = Request("team-a", "ci")


class Issuer:
    """An identity provider on this host. ``answers`` maps paths to what they answer, ``seen`` lists what was asked."""

    def __init__(self, url: str, trust: ssl.SSLContext) -> None:
        self.url, self.trust = url, trust
        self.seen: list[str] = []
        self.answers: dict[str, web.Response] = {}
        #: What is asked below /silent is answered when this is set.
        self.speaks = asyncio.Event()
        self.discovers()
        self.has(key_set())

    def discovers(self, **changes: Any) -> None:
        document = {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **changes}
        self.answers["/.well-known/openid-configuration"] = web.json_response(document)

    def has(self, body: bytes, status: int = 200) -> None:
        self.answers["/keys"] = web.Response(body=body, status=status)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request.path)
        if request.path.startswith("/silent"):
            await self.speaks.wait()
        found = self.answers.get(request.path, web.Response(status=404))
        return web.Response(body=found.body, status=found.status, headers=found.headers)


@asynccontextmanager
async def issuer(folder: Path) -> AsyncIterator[Issuer]:
    authority = Authority(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, authority.issue("localhost")))
    app = web.Application()
    runner = web.AppRunner(app)
    found: list[Issuer] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        return await found[0].answer(request)

    app.router.add_route("*", "/{path:.*}", answer)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    found.append(Issuer(f"https://localhost:{port}", ssl.create_default_context(cafile=str(authority.ca_file))))
    try:
        yield found[0]
    finally:
        found[0].speaks.set()
        await runner.cleanup()


class Fetching:
    """Key sets at work, on a clock that the test turns."""

    def __init__(self, origin: Issuer, *, trusted: bool = True, private: bool = True) -> None:
        self.now = 1000.0
        self.woken: list[Request] = []
        port = int(origin.url.rpartition(":")[2])
        named = (HttpUrl(scheme="https", host="localhost", port=port, path="/"),) if private else ()
        tls = origin.trust if trusted else ssl.create_default_context()
        self.sets = KeySets(
            self.woken.append, private=lambda: named, clock=lambda: self.now, jitter=lambda: 0.5, tls=tls
        )
        self.wanted = KeySet(issuer=origin.url)

    def known(self) -> Published:
        return self.sets.published(self.wanted, ENDPOINT)

    async def until(self, condition: Callable[[Published], object], what: str) -> Published:
        await eventually(lambda: condition(self.known()), what)
        return self.known()

    async def later(self, seconds: float) -> None:
        """Let time pass once all work is done, and have that noticed."""
        await eventually(lambda: all(e.due > self.now for e in self.sets._entries.values()), "rest")
        self.now += seconds
        self.sets._asked.set()


@asynccontextmanager
async def fetching(folder: Path, **how: Any) -> AsyncIterator[tuple[Issuer, Fetching]]:
    async with issuer(folder) as origin:
        at_work = Fetching(origin, **how)
        task = asyncio.create_task(at_work.sets.run())
        try:
            yield origin, at_work
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def told(problem: str) -> Callable[[Published], bool]:
    return lambda found: found.problem is not None and problem in found.problem


def test_a_key_set_is_discovered_and_its_endpoint_woken(tmp_path: Path) -> None:
    async def story() -> None:
        async with fetching(tmp_path) as (origin, at_work):
            assert at_work.known() == Published()
            found = await at_work.until(lambda now: now.value, "the key set")
            assert (found.value, found.problem) == (public_key_set(key_set()), None)
            assert at_work.woken == [ENDPOINT]
            assert origin.seen == ["/.well-known/openid-configuration", "/keys"]

    run(story())


def test_a_url_of_ones_own_needs_no_discovery(tmp_path: Path) -> None:
    async def story() -> None:
        async with fetching(tmp_path) as (origin, at_work):
            at_work.wanted = KeySet(issuer="https://elsewhere.example", url=f"{origin.url}/keys")
            await at_work.until(lambda now: now.value, "the key set")
            assert origin.seen == ["/keys"]

    run(story())


def test_new_keys_arrive_with_the_next_refresh_and_equal_ones_wake_nobody(tmp_path: Path) -> None:
    async def story() -> None:
        async with fetching(tmp_path) as (origin, at_work):
            await at_work.until(lambda now: now.value, "the key set")
            await at_work.later(jwks.REFRESH + 1)
            await eventually(lambda: origin.seen.count("/keys") == 2, "a second fetch")
            assert at_work.woken == [ENDPOINT]
            origin.has(key_set(rsa("new")))
            await at_work.later(jwks.REFRESH + 1)
            await at_work.until(lambda now: now.value == public_key_set(key_set(rsa("new"))), "the new keys")
            assert at_work.woken == [ENDPOINT, ENDPOINT]

    run(story())


def test_the_last_good_keys_are_kept_through_an_outage(tmp_path: Path) -> None:
    async def story() -> None:
        async with fetching(tmp_path) as (origin, at_work):
            good = await at_work.until(lambda now: now.value, "the key set")
            origin.has(b"", status=503)
            await at_work.later(jwks.REFRESH + 1)
            down = await at_work.until(told("answered 503"), "the outage")
            assert down.value == good.value
            origin.has(key_set())
            await at_work.later(jwks.RETRY * 2)
            assert await at_work.until(lambda now: now.problem is None, "the end of the outage") == good

    run(story())


def test_issuers_that_do_not_answer_keep_other_namespaces_waiting_for_nothing(tmp_path: Path) -> None:
    """However many of them a namespace names, and although it named them first."""

    async def story() -> None:
        async with fetching(tmp_path) as (origin, at_work):
            for number in range(40):
                silent = KeySet(issuer="https://elsewhere.example", url=f"{origin.url}/silent/{number}")
                at_work.sets.published(silent, Request("team-b", f"ci-{number}"))
            await eventually(lambda: origin.seen, "the first of them")
            await at_work.until(lambda now: now.value, "the key set")
            assert len([path for path in origin.seen if path.startswith("/silent")]) == 2
            origin.speaks.set()
            await eventually(lambda: len(origin.seen) == 42, "all of them")

    run(story())


def test_namespaces_take_turns_where_places_are_few(tmp_path: Path) -> None:
    """A newcomer is next when a place is free, before those that had theirs."""

    async def story() -> None:
        async with fetching(tmp_path) as (origin, at_work):
            for team in range(10):
                for number in range(10):
                    silent = KeySet(issuer="https://elsewhere.example", url=f"{origin.url}/silent/{team}/{number}")
                    at_work.sets.published(silent, Request(f"team-{team}", f"ci-{number}"))
            await eventually(lambda: len(origin.seen) == 16, "every place to be taken")
            teams = [path.split("/")[2] for path in origin.seen]
            assert {teams.count(str(team)) for team in range(10)} == {1, 2}
            at_work.known()
            origin.speaks.set()
            await at_work.until(lambda now: now.value, "the key set")
            assert len(origin.seen) < 100

    run(story())


def test_what_nobody_asks_for_any_more_is_forgotten_after_a_reminder(tmp_path: Path) -> None:
    async def story() -> None:
        async with fetching(tmp_path) as (origin, at_work):
            await at_work.until(lambda now: now.value, "the key set")
            await at_work.later(jwks.FORGET / 2 + 1)
            await eventually(lambda: at_work.woken == [ENDPOINT, ENDPOINT], "the reminder")
            asked = len(origin.seen)
            await at_work.later(jwks.FORGET)
            await eventually(lambda: not at_work.sets._entries, "forgetting")
            assert len(origin.seen) <= asked + 2

    run(story())


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda o: o.answers.clear(), "discovery answered 404"),
        (lambda o: o.discovers(issuer=f"{o.url}/"), "document of this very issuer"),
        (lambda o: o.discovers(issuer="https://other.example"), "document of this very issuer"),
        (lambda o: o.discovers(jwks_uri="http://localhost/keys"), "no key set over https"),
        (lambda o: o.discovers(jwks_uri="file:///etc/passwd"), "no key set over https"),
        (lambda o: o.discovers(jwks_uri=["x"]), "no key set over https"),
        (lambda o: o.has(b"<html>"), "no JSON Web Key Set"),
        (lambda o: o.has(b'{"keys":[]}'), "no JSON Web Key Set"),
        (lambda o: o.has(b" " * 300_000), "more than 262144 bytes"),
        (lambda o: o.has(key_set(), status=404), "the key set's URL answered 404"),
    ],
)
def test_whatever_is_wrong_is_told_without_repeating_it(
    tmp_path: Path, spoil: Callable[[Issuer], None], problem: str
) -> None:
    async def story() -> None:
        async with fetching(tmp_path) as (origin, at_work):
            spoil(origin)
            assert (await at_work.until(told(problem), problem)).value is None

    run(story())


def test_no_redirect_is_followed(tmp_path: Path) -> None:
    async def story() -> None:
        async with fetching(tmp_path) as (origin, at_work):
            origin.answers["/keys"] = web.Response(status=302, headers={"Location": f"{origin.url}/elsewhere"})
            origin.answers["/elsewhere"] = web.Response(body=key_set())
            await at_work.until(told("answered 302"), "the redirect")
            assert "/elsewhere" not in origin.seen

    run(story())


def test_an_untrusted_certificate_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with fetching(tmp_path, trusted=False) as (origin, at_work):
            await at_work.until(told("no certificate that is trusted"), "the refusal")
            assert origin.seen == []

    run(story())


def test_an_address_that_is_not_public_is_not_dialled_unless_the_platform_says_so(tmp_path: Path) -> None:
    async def story() -> None:
        async with fetching(tmp_path, private=False) as (origin, at_work):
            await at_work.until(told("no public address"), "the refusal")
            assert origin.seen == []

    run(story())


def test_discovery_leads_to_no_private_address_of_another_origin(tmp_path: Path) -> None:
    async def story() -> None:
        async with fetching(tmp_path) as (origin, at_work):
            origin.discovers(jwks_uri="https://127.0.0.1:9/keys")
            await at_work.until(told("no public address"), "the refusal")

    run(story())


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "64:ff9b::808:808", "2606:4700::1111%eth0"])
def test_public_addresses(address: str) -> None:
    assert is_public(address) is True


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1",
        "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "nonsense", "",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert is_public(address) is False


def test_the_configuration_names_private_issuers() -> None:
    head = "apiVersion: config.hookgate.dev/v1alpha1\nkind: HookgateConfiguration\n"
    config = parse_config(head + 'auth: {privateIssuers: ["https://sso.internal/realms/a"]}', source="hookgate.yaml")
    assert config.private_issuers == (HttpUrl(scheme="https", host="sso.internal", port=443, path="/realms/a"),)
    with pytest.raises(InvalidConfig, match=r"auth\.privateIssuers\[0\]: not an issuer of tokens; write https://"):
        parse_config(head + 'auth: {privateIssuers: ["http://sso.internal"]}', source="hookgate.yaml")
