"""Random walks: whatever users, platform and accidents do in whatever order, reconciliation settles and stays honest.

The walks are the same in every run; the environment variable HOOKGATE_WALKS asks for more of them.
"""

from __future__ import annotations

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from hookgate.control.objects import secret_data
from tests.control.scenarios import lose_binding, offer
from tests.control.stage import GATEWAY, OFFER, SHARED, TEAM, Act, Stage, platform


def spec(**members: object) -> Act:
    """Set members of the spec."""
    return lambda stage: stage.store({**stage.endpoint()["spec"], **members})


def auth(kind: str, **more: object) -> Act:
    """Set the authentication."""
    return spec(auth={"type": kind, **more})


def lose(kind: str, namespace: str = TEAM) -> Act:
    """Take away all objects of a kind in a namespace."""

    def act(stage: Stage) -> None:
        for obj in stage.world.of_kind(kind):
            if obj["metadata"]["namespace"] == namespace:
                stage.world.drop(kind, namespace, obj["metadata"]["name"])

    return act


def garble(stage: Stage) -> None:
    """Make every binding unreadable."""
    for uid in stage.world.bindings():
        stage.edit("Secret", uid, "hookgate-bindings", data={"binding": "Pz8/"})


def tamper(stage: Stage) -> None:
    """Write something else into the connection Secrets, and take their labels off."""
    for obj in stage.world.of_kind("Secret"):
        if obj["metadata"]["namespace"] == TEAM and "ownerReferences" in obj["metadata"]:
            metadata = {**obj["metadata"], "labels": {"team": "a"}}
            stage.edit("Secret", obj["metadata"]["name"], data={"own": "b3du"}, metadata=metadata)


def hmac_with(**secret: object) -> Act:
    """Use signed messages with that secret policy."""
    return auth("hmac", provider="github", secret=secret)


ACTS: dict[str, Act] = {
    "activate": spec(state="active"),
    "deactivate": spec(state="inactive"),
    "declare absent": spec(state="absent"),
    "suspend": lambda s: s.annotate("hookgate.dev/suspend", "true"),
    "resume": lambda s: s.annotate("hookgate.dev/suspend", None),
    "rotate": hmac_with(rotate="1", overlap="1h"),
    "rotate again": hmac_with(rotate="2", overlap="2h"),
    "revoke": hmac_with(rotate="3", overlap="0s"),
    "rotate by annotation": lambda s: s.annotate("hookgate.dev/rotate", "4"),
    "another URL": spec(exposure={"rotateURL": "1", "overlap": "1h"}),
    "no wish for a host": spec(exposure={}),
    "a foreign host": spec(exposure={"host": "other.example.com"}),
    "move the Secret": spec(secretName="elsewhere"),
    "move it back": spec(secretName="ci-webhook"),
    "another form": auth("hmac", provider="standard-webhooks"),
    "a token": auth("token", token={"header": "X-Token"}),
    "no authentication": auth("none"),
    "an own secret": hmac_with(ref={"name": "mine"}),
    "a missing secret": hmac_with(ref={"name": "gone"}, previousRefs=[{"name": "mine"}]),
    "a missing Service": spec(target={"service": {"name": "gone", "port": 1}}),
    "its Service": spec(target={"service": {"name": "app", "port": 8080}}),
    "an unreadable spec": spec(inactiveResponse=200),
    "a readable spec": spec(inactiveResponse=503),
    "behind an Ingress": offer(OFFER),
    "behind a Gateway": offer(GATEWAY),
    "on a shared route": lambda s: s.configure(platform(SHARED, more="auth: {allowedTypes: [hmac, token, none]}\n")),
    "the host is withdrawn": offer(OFFER.replace("team-*", "nobody")),
    "the binding is lost": lambda s: lose_binding(s) if s.has_binding() else None,
    "the connection Secrets are lost": lose("Secret"),
    "the bindings are unreadable": garble,
    "the bindings are removed": lose("Secret", "hookgate-bindings"),
    "the routes are lost": lose("Ingress", "hookgate-system"),
    "somebody tampers": tamper,
    "a Secret of somebody else": lambda s: s.bring("elsewhere", labelled=False, x=b"yz"),
    "a receiver lags": lambda s: s.receivers.lag(),
    "the receivers follow": lambda s: s.receivers.catch_up(),
    "an hour passes": lambda s: s.wait(3600),
}
#: Why a secret may become another one.
REASONS = frozenset(
    {
        "declare absent",
        "rotate",
        "rotate again",
        "revoke",
        "rotate by annotation",
        "another form",
        "no authentication",
        "an own secret",
        "a missing secret",
    }
)


@settings(max_examples=int(os.environ.get("HOOKGATE_WALKS", "50")), deadline=None, derandomize=True, database=None)
@given(st.lists(st.sampled_from(sorted(ACTS)), min_size=1, max_size=8))
def test_every_walk_settles_and_stays_honest(names: list[str]) -> None:
    """After every step a second look writes nothing; in the end everything fits, and nothing outlives the endpoint."""
    stage = Stage()
    stage.bring("mine", secret=b"brought-by-the-tenant")
    stage.declare()
    stage.settle()
    for name in (*names, "the receivers follow"):
        ACTS[name](stage)
        stage.settle()
        assert stage.settle() == [], name
    if not REASONS.intersection(names):
        assert len(stage.world.watchman.generated) == 2  # the sender's secret, and the key that targets verify with
    fits(stage)
    stage.delete()
    stage.settle()
    assert not stage.exists()
    assert stage.world.bindings() == {}
    assert stage.routes() == []
    assert [s for s in stage.world.of_kind("Secret") if "url" in secret_data(s)] == []


def fits(stage: Stage) -> None:
    """Hold that an endpoint that is said to be ready is what it is said to be."""
    if stage.ready() == "True Active":
        binding, told = stage.binding(), stage.connection(stage.status()["secretName"])
        assert stage.answer() == "verdict"
        assert told["url"].decode() == binding.url == stage.status().get("url", binding.url)
        if binding.form:
            assert told.get("secret", told.get("token")) == stage.verifying()[0]
        else:
            assert not {"secret", "token"} & told.keys()
    if stage.ready() == "True Absent":
        assert not stage.has_binding()
        assert stage.routes() == []
