"""Bindings that are lost or cannot be read: what is recovered, and what is never made up."""

from __future__ import annotations

import json

import pytest

from hookgate.control.objects import encode_data
from hookgate.model import binding as contract
from tests.control.stage import OFFER, SHARED, TEAM, Stage, platform

NAME = "ci-webhook"


@pytest.fixture
def told(stage: Stage) -> dict[str, bytes]:
    """An active endpoint's connection Secret as first told."""
    stage.declare()
    stage.settle()
    return stage.connection()


def lose_binding(stage: Stage, name: str = "ci") -> None:
    stage.world.drop("Secret", "hookgate-bindings", stage.endpoint(name)["metadata"]["uid"])


def lose_both(stage: Stage) -> None:
    lose_binding(stage)
    stage.world.drop("Secret", TEAM, NAME)


def rewrite_binding(stage: Stage, raw: bytes) -> None:
    uid = stage.endpoint()["metadata"]["uid"]
    stage.edit("Secret", uid, "hookgate-bindings", data=encode_data({contract.DATA_KEY: raw}))


def test_a_lost_binding_is_rebuilt_from_the_connection_secret(stage: Stage, told: dict[str, bytes]) -> None:
    lose_binding(stage)
    assert stage.settle() == ["create binding", "status True Active"]
    assert stage.verifying() == [told["secret"]]
    assert stage.connection() == told


def test_secrets_within_their_overlap_are_recovered_with_their_ends(stage: Stage, told: dict[str, bytes]) -> None:
    """The connection Secret has their values, the status their ends."""
    stage.secret_policy(rotate="1", overlap="1h")
    stage.settle()
    stage.wait(600)
    stage.secret_policy(rotate="2", overlap="1h")
    stage.settle()
    before = stage.binding()
    connection = stage.connection()
    lose_binding(stage)
    stage.settle()
    assert [(k.value, k.expires) for k in stage.binding().keys] == [(k.value, k.expires) for k in before.keys]
    assert len(before.keys) == 3
    assert stage.connection() == connection
    assert stage.settle() == []
    stage.wait(3000)
    stage.settle()
    assert len(stage.verifying()) == 2
    stage.wait(600)
    stage.settle()
    assert stage.verifying() == [connection["secret"]]


@pytest.mark.parametrize(
    "previous",
    [b"", b"x" * 40, b"planted-by-somebody-with-the-rights-to\n" + b"y" * 40, b"\n"],
    ids=["none", "another", "more", "empty"],
)
def test_older_secrets_that_do_not_fit_what_the_status_tells_are_not_recovered(
    stage: Stage, told: dict[str, bytes], previous: bytes
) -> None:
    """Their ends would be anybody's guess. One in the place of another ends as that one did."""
    stage.secret_policy(rotate="1", overlap="1h")
    stage.settle()
    (end,) = (k.expires for k in stage.binding().keys[1:])
    lose_binding(stage)
    stage.edit("Secret", NAME, data=encode_data({**stage.connection(), "previous-secrets": previous}))
    stage.settle()
    recovered = {k.value.reveal(): k.expires for k in stage.binding().keys[1:]}
    assert recovered == ({previous: end} if previous == b"x" * 40 else {})


def test_a_lost_binding_of_another_type_is_rebuilt_too(stage: Stage) -> None:
    stage.declare(auth={"type": "token", "token": {"header": "X-Token"}})
    stage.settle()
    told = stage.connection()
    lose_binding(stage)
    stage.settle()
    assert (stage.verifying(), stage.connection()) == ([told["token"]], told)


def test_a_path_that_another_endpoint_has_is_not_recovered(stage: Stage, told: dict[str, bytes]) -> None:
    stage.declare("chat")
    stage.settle("chat")
    stolen = {**told, "url": stage.connection("chat-webhook")["url"]}
    lose_binding(stage)
    stage.edit("Secret", NAME, data=encode_data(stolen))
    found = stage.endpoint()
    stage.world.put({**found, "status": {k: v for k, v in found["status"].items() if k != "url"}})
    stage.settle()
    assert stage.binding("ci").segment != stage.binding("chat").segment
    assert stage.verifying() == [told["secret"]]


def test_a_planted_connection_secret_is_no_memory_of_an_endpoint_that_never_had_one(stage: Stage) -> None:
    stage.declare(state="inactive")
    planted = {"secret": b"chosen-by-a-tenant-" * 3, "url": b"https://hooks.example.com/h/" + b"a" * 32}
    owner = {"apiVersion": "hookgate.dev/v1alpha1", "kind": "WebhookEndpoint", "name": "ci"}
    stage.world.put(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": {
                "name": NAME,
                "namespace": TEAM,
                "labels": {"hookgate.dev/role": "connection"},
                "ownerReferences": [{**owner, "uid": stage.endpoint()["metadata"]["uid"]}],
            },
            "data": encode_data(planted),
        }
    )
    stage.settle()
    assert planted["secret"] not in stage.verifying()
    assert stage.binding().segment is None
    assert stage.connection() == {"secret": stage.verifying()[0]}


def test_when_both_are_lost_no_second_secret_is_made_up(stage: Stage, told: dict[str, bytes]) -> None:
    lose_both(stage)
    stage.settle()
    assert stage.ready() == "False SecretLost"
    assert stage.says("Stalled") == "True SecretLost"
    assert not stage.has_binding()
    assert stage.secret() is None
    assert stage.settle() == []


@pytest.mark.parametrize("asked", ["spec", "annotation"])
def test_only_a_rotation_replaces_a_lost_secret(stage: Stage, told: dict[str, bytes], asked: str) -> None:
    lose_both(stage)
    stage.settle()
    if asked == "spec":
        stage.secret_policy(rotate="after-the-loss")
    else:
        stage.annotate("hookgate.dev/rotate", "after-the-loss")
    stage.settle()
    assert stage.ready() == "True Active"
    assert stage.connection()["secret"] == stage.verifying()[0] != told["secret"]
    assert stage.settle() == []


def test_a_rotation_that_was_done_before_the_loss_makes_no_new_secret(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    stage.secret_policy(rotate="2026-01")
    stage.settle()
    lose_both(stage)
    stage.settle()
    assert stage.ready() == "False SecretLost"
    stage.settle()
    assert stage.ready() == "False SecretLost"


def test_a_rotation_asked_for_while_the_binding_was_lost_is_still_done(stage: Stage, told: dict[str, bytes]) -> None:
    lose_binding(stage)
    stage.secret_policy(rotate="2026-01")
    stage.settle()
    assert stage.verifying()[1:] == [told["secret"]]
    assert stage.connection()["secret"] == stage.verifying()[0]


def test_a_lost_secret_that_is_restored_from_a_backup_is_used_again(stage: Stage, told: dict[str, bytes]) -> None:
    backup = stage.world.get("Secret", TEAM, NAME)
    assert backup is not None
    lose_both(stage)
    stage.settle()
    stage.world.put(backup)
    stage.settle()
    assert stage.ready() == "True Active"
    assert stage.connection() == told


def test_a_secret_that_is_no_longer_usable_counts_as_lost(stage: Stage, told: dict[str, bytes]) -> None:
    lose_binding(stage)
    stage.edit("Secret", NAME, data=encode_data({**told, "secret": b""}))
    stage.settle()
    assert stage.ready() == "False SecretLost"


def test_an_endpoint_that_may_not_be_served_does_not_forget_that_it_had_a_secret(
    stage: Stage, told: dict[str, bytes]
) -> None:
    lose_both(stage)
    stage.configure(platform(OFFER.replace("team-*", "nobody")))
    stage.settle()
    assert stage.ready() == "False HostNotAllowed"
    stage.configure(platform())
    stage.settle()
    assert stage.ready() == "False SecretLost"


def test_a_lost_binding_is_rebuilt_after_a_time_in_which_it_might_not_be_served(
    stage: Stage, told: dict[str, bytes]
) -> None:
    lose_binding(stage)
    stage.configure(platform(OFFER.replace("team-*", "nobody")))
    stage.settle()
    stage.configure(platform())
    stage.settle()
    assert stage.ready() == "True Active"
    assert stage.connection() == told


def test_a_provider_that_vanishes_for_a_while_does_not_make_the_secret_forgotten(stage: Stage) -> None:
    ours = "providers: {ours: {scheme: {type: token, header: X-Ours}}}\n"
    stage.configure(platform(more=ours))
    stage.declare(auth={"type": "token", "provider": "ours"})
    stage.settle()
    lose_both(stage)
    stage.configure(platform())
    stage.settle()
    assert stage.ready() == "False UnknownProvider"
    stage.configure(platform(more=ours))
    stage.settle()
    assert stage.ready() == "False SecretLost"


def test_an_endpoint_with_an_unreadable_spec_does_not_forget_that_it_had_a_secret(
    stage: Stage, told: dict[str, bytes]
) -> None:
    spec = stage.endpoint()["spec"]
    lose_both(stage)
    stage.store({**spec, "target": {}})
    stage.settle()
    stage.store(spec)
    stage.settle()
    assert stage.ready() == "False SecretLost"


def test_a_missing_cache_entry_is_not_a_lost_binding(stage: Stage, told: dict[str, bytes]) -> None:
    uid = stage.endpoint()["metadata"]["uid"]
    stage.world.hidden |= {("Secret", "hookgate-bindings", uid), ("Secret", TEAM, NAME)}
    stage.world.hidden.add(("Ingress", "hookgate-system", f"hookgate-{uid}"))
    assert stage.settle() == []
    assert stage.connection() == told


def test_a_binding_that_no_cache_shows_yet_is_never_overwritten(stage: Stage) -> None:
    stage.declare()
    stage.settle()
    keys, found = stage.verifying(), stage.endpoint()
    stage.world.put({k: v for k, v in found.items() if k != "status"})  # the status was not written either
    stage.world.hidden |= {("Secret", "hookgate-bindings", found["metadata"]["uid"]), ("Secret", TEAM, NAME)}
    stage.settle()
    assert stage.verifying() == keys
    assert stage.connection()["secret"] == keys[0]


def test_the_path_of_an_endpoint_with_a_referenced_secret_is_recovered(stage: Stage) -> None:
    stage.bring("mine", secret=b"brought-by-the-tenant")
    stage.declare(auth={"type": "hmac", "provider": "github", "secret": {"ref": {"name": "mine"}}})
    stage.settle()
    told = stage.connection()
    lose_binding(stage)
    stage.settle()
    assert stage.ready() == "True Active"
    assert stage.connection() == told
    lose_both(stage)
    stage.settle()
    assert stage.connection() == told


def test_the_path_of_an_endpoint_without_authentication_is_recovered() -> None:
    stage = Stage(platform(SHARED, more="auth: {allowedTypes: [none]}\n"))
    stage.declare(auth={"type": "none"})
    stage.settle()
    told = stage.connection()
    lose_binding(stage)
    stage.settle()
    assert stage.ready() == "True Active"
    assert stage.connection() == told


# Bindings that this version cannot read ----------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b"", b"?", b'{"version": 1}', b"[]"])
def test_an_unreadable_binding_is_never_overwritten(stage: Stage, told: dict[str, bytes], raw: bytes) -> None:
    rewrite_binding(stage, raw)
    assert stage.settle() == ["status False BindingUnreadable"]
    assert list(stage.world.bindings().values()) == [raw]
    assert stage.says("Stalled") == "True BindingUnreadable"
    assert stage.connection() == told
    assert stage.settle() == []


def test_a_binding_of_a_newer_version_is_never_overwritten(stage: Stage, told: dict[str, bytes]) -> None:
    document = json.loads(next(iter(stage.world.bindings().values())))
    newer = json.dumps({**document, "version": 2}).encode()
    rewrite_binding(stage, newer)
    assert stage.settle() == ["status False BindingUnreadable"]
    assert list(stage.world.bindings().values()) == [newer]


def test_an_unreadable_binding_stays_whatever_else_is_wrong(stage: Stage, told: dict[str, bytes]) -> None:
    rewrite_binding(stage, b"?")
    stage.change(auth={"type": "hmac", "provider": "nobody-knows"})
    stage.settle()
    stage.change(auth={"type": "hmac", "provider": "github", "secret": {"rotate": "2026-01"}})
    stage.settle()
    stage.store({})
    stage.settle()
    assert list(stage.world.bindings().values()) == [b"?"]


def test_an_unreadable_binding_that_is_deleted_is_rebuilt(stage: Stage, told: dict[str, bytes]) -> None:
    rewrite_binding(stage, b"?")
    stage.settle()
    lose_binding(stage)
    stage.settle()
    assert stage.ready() == "True Active"
    assert stage.connection() == told


def test_an_unreadable_binding_goes_with_its_endpoint(stage: Stage, told: dict[str, bytes]) -> None:
    rewrite_binding(stage, b"?")
    stage.settle()
    stage.delete()
    stage.settle()
    assert stage.world.bindings() == {}
    assert not stage.exists()
