"""The main job, from applying one manifest to the last trace of it: what a team does, and what its sender gets."""

from __future__ import annotations

import hashlib
import json
import random
import statistics
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import yaml

from tests.cluster.calls import first_with, github, one_bit_flipped, post
from tests.cluster.plane import HOST, ROOT, Plane
from tests.cluster.target import Target
from tests.cluster.team import Object, Team

VECTORS = ROOT / "tests" / "vectors" / "published.json"
EXAMPLE = ROOT / "examples" / "github-push"
NAME = "github-push"
ROUNDS = 20


def published(name: str) -> tuple[bytes, bytes, dict[str, str]]:
    """A call that a sender's documentation publishes: secret, body, headers."""
    found = next(each for each in json.loads(VECTORS.read_text()) if each["id"] == name)
    return found["secret"].encode(), found["body"].encode(), found["headers"]


def example(team: Team, secret: bytes) -> list[Object]:
    """The example's own files, with the secret filled in, the host named, and a target that can be reached here."""
    (held,), (endpoint,) = (
        list(yaml.safe_load_all((EXAMPLE / name).read_text())) for name in ("secret.yaml", "webhook.yaml")
    )
    assert (held["stringData"], endpoint["metadata"]["name"]) == ({"secret": ""}, NAME)
    spec = endpoint["spec"] | {"target": {"url": team.target_url(NAME)}, "exposure": {"host": HOST}}
    return [held | {"stringData": {"secret": secret.decode()}}, endpoint | {"spec": spec}]


def test_a_push_gets_through_until_it_may_not_and_nothing_is_left_in_the_end(team: Team, target: Target) -> None:
    """Apply, push, deactivate, activate, deconfigure: each shows at the sender, and the target gets the bytes."""
    secret, hello, signature = published("github-docs")
    team.plane.cluster.apply(example(team, secret), namespace=team.namespace)

    endpoint = team.ready(NAME, "Active")
    url = endpoint["status"]["url"]
    assert urlsplit(url).netloc == HOST
    assert endpoint["status"]["header"] == "X-Hub-Signature-256"
    told = team.connection(NAME)
    assert told.pop("forward-secret").startswith(b"whsec_")
    assert told == {"url": url.encode(), "header": b"X-Hub-Signature-256"}

    large = json.dumps({"ref": "refs/heads/main", "noise": random.Random(1).randbytes(7_500).hex()}).encode()
    large += b"\n" * (20_000 - len(large))
    assert team.call(url, hello, signature).status == 200
    assert team.call(url, large, github(secret, large)).status == 200
    arrived = target.at(f"/{team.namespace}/{NAME}")
    assert [each.body for each in arrived] == [hello, large]
    assert [hashlib.sha256(each.body).digest() for each in arrived][1] == hashlib.sha256(large).digest()

    assert team.call(url, one_bit_flipped(large), github(secret, large)).status == 401
    assert team.call(url, hello).status == 401

    team.patch(NAME, state="inactive")
    team.answers(503, url, hello)
    assert "retry-after" in team.call(url, hello, signature).headers
    assert team.ready(NAME, "Inactive")["status"]["url"] == url

    assert team.patched(NAME, state="active")["status"]["url"] == url
    assert team.call(url, hello, signature).status == 200

    team.patch(NAME, state="absent")
    team.answers(404, url, hello)
    assert "url" not in team.ready(NAME, "Absent")["status"]
    assert team.left_of(endpoint) == []

    url = team.patched(NAME, state="active")["status"]["url"]
    assert team.call(url, hello, signature).status == 200
    team.delete(NAME)
    team.gone(NAME)
    assert team.call(url, hello, signature).status == 404
    assert team.left_of(endpoint) == []
    assert team.secret("github-push-secret") == {"secret": secret}
    assert len(target.at(f"/{team.namespace}/{NAME}")) == 4


def test_a_generated_secret_and_the_url_outlive_a_deactivation(team: Team) -> None:
    """The sender that was configured once needs no new configuration."""
    before = team.created("push"), team.connection("push")
    url = before[0]["status"]["url"]
    team.patched("push", state="inactive")
    assert team.connection("push") == before[1]
    after = team.patched("push", state="active")
    assert (after["status"]["url"], team.connection("push")) == (url, before[1])
    assert team.call(url, b"{}", github(before[1]["secret"], b"{}")).status == 200


def test_before_the_first_activation_there_is_a_secret_and_no_url(team: Team) -> None:
    """Configured and not yet active: the secret can be given to the sender, there is nothing to call yet."""
    endpoint = team.created("push", state="inactive")
    assert "url" not in endpoint["status"]
    assert set(team.connection("push")) == {"secret", "forward-secret"}
    assert team.route(endpoint) is None
    secret = team.connection("push")["secret"]
    assert team.patched("push", state="active")["status"]["url"]
    assert team.connection("push")["secret"] == secret


def test_another_endpoint_of_the_same_name_shares_nothing_with_the_first(team: Team) -> None:
    """Deleting and creating makes a new URL and a new secret; the old ones are dead."""
    team.created("push")
    old = team.connection("push")
    team.delete("push")
    team.gone("push")
    team.created("push")
    new = team.connection("push")
    assert {old["url"], old["secret"]}.isdisjoint({new["url"], new["secret"]})
    assert team.call(old["url"].decode(), b"{}", github(old["secret"], b"{}")).status == 404
    assert team.call(new["url"].decode(), b"{}", github(old["secret"], b"{}")).status == 401


def test_a_deactivation_takes_hold_within_seconds(
    team: Team, plane: Plane, record_property: Callable[[str, object], None]
) -> None:
    """Measured, not judged: the time from the API server's answer to the first refusal, over rounds."""
    url = team.created("push")["status"]["url"]
    path, body, headers = urlsplit(url).path, b"{}", github(team.connection("push")["secret"], b"{}")
    delays = []
    for _ in range(ROUNDS):
        first_with(200, plane.public, path, body, headers, seconds=30)
        team.patch("push", state="inactive")
        since = time.monotonic()
        delays.append(first_with(503, plane.public, path, body, headers, seconds=30) - since)
        team.patch("push", state="active")
    milliseconds = sorted(1000 * delay for delay in delays)
    record_property("deactivation_ms_median", round(statistics.median(milliseconds), 1))
    record_property("deactivation_ms_max", round(milliseconds[-1], 1))
    print(f"deactivation: median {statistics.median(milliseconds):.1f} ms, max {milliseconds[-1]:.1f} ms")
    assert post(plane.public, path, body).status in (401, 503)
    assert len(delays) == ROUNDS
