"""Types beyond hmac and token, and endpoints that take more than one: their keys and what the tenant is told."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

import pytest

from hookgate.model.binding import Key
from hookgate.scheme.request import Request
from hookgate.scheme.verify import compile_verifier
from tests.control.stage import Stage, platform
from tests.scheme.kit import wire
from tests.scheme.senders import BODY, SENDERS

OLD = {"type": "token", "token": {"header": "X-T"}, "secret": {"ref": {"name": "old"}}}
NEW = {"type": "hmac", "provider": "github"}
DISCORD = {"type": "signature", "provider": "discord"}


def any_of(*ways: dict[str, Any]) -> dict[str, Any]:
    return {"type": "anyOf", "anyOf": list(ways)}


def accepts(stage: Stage, headers: Mapping[str, str], body: bytes = BODY) -> bool:
    """Ask the binding as a receiver would."""
    binding = stage.binding()
    verify = compile_verifier(binding.auth, binding.keys, url=binding.url)
    return verify(Request(method="POST", headers=wire(headers.items()), body=body), stage.now).accepted


def test_basic_tells_a_username_and_a_password(stage: Stage) -> None:
    stage.declare(auth={"type": "basic"})
    stage.settle()
    told = stage.connection()
    assert set(told) == {"url", "header", "username", "password"}
    assert (told["username"], told["header"]) == (b"hookgate", b"Authorization")
    assert re.fullmatch(rb"[0-9a-f]{64}", told["password"])
    assert accepts(stage, {"Authorization": "Basic " + _base64(told["username"] + b":" + told["password"])})


def test_basic_after_a_rotation_tells_both(stage: Stage) -> None:
    stage.declare(auth={"type": "basic"})
    stage.settle()
    before = stage.connection()
    stage.secret_policy(rotate="1")
    stage.settle()
    after = stage.connection()
    assert after["password"] != before["password"]
    assert after["previous-secrets"] == before["username"] + b":" + before["password"]


def test_a_lost_binding_of_basic_is_rebuilt_from_what_was_told(stage: Stage) -> None:
    stage.declare(auth={"type": "basic"})
    stage.settle()
    before, told = stage.verifying(), stage.connection()
    uid = stage.endpoint()["metadata"]["uid"]
    stage.world.drop("Secret", stage.world.binding_namespace, uid)
    stage.settle()
    assert (stage.verifying(), stage.connection()) == (before, told)


@pytest.mark.parametrize("data", [{"username": b"jane", "password": b"pass:word\n"}, {"secret": b"jane:pass:word"}])
def test_basic_takes_both_shapes_of_a_referenced_secret(stage: Stage, data: dict[str, bytes]) -> None:
    stage.bring("mine", labelled=True, **data)
    stage.declare(auth={"type": "basic", "secret": {"ref": {"name": "mine"}}})
    stage.settle()
    assert stage.verifying() == [b"jane:pass:word"]
    assert set(stage.connection()) == {"url", "header"}


def test_a_public_key_in_the_spec_verifies(stage: Stage) -> None:
    call = SENDERS["discord"]()
    stage.declare(auth={**DISCORD, "signature": {"publicKey": call.secret.decode() + "\n"}})
    stage.now = float(call.headers["X-Signature-Timestamp"])
    stage.settle()
    assert stage.ready() == "True Active"
    assert accepts(stage, call.headers, call.body)
    assert set(stage.connection()) == {"url", "header"}


def test_a_public_key_that_is_none_is_told_of(stage: Stage) -> None:
    stage.declare(auth={**DISCORD, "signature": {"publicKey": "c0ffee"}})
    stage.settle()
    assert stage.ready() == "False SecretNotUsable"
    assert stage.message().startswith("spec.auth.signature.publicKey: ")
    assert "c0ffee" not in stage.message()


def test_each_way_has_its_own_keys(stage: Stage) -> None:
    stage.bring("old", secret=b"old-token-of-the-tenant")
    stage.declare(auth=any_of(OLD, NEW))
    stage.settle()
    keys = stage.binding().keys
    assert [(key.option, key.value.reveal() == b"old-token-of-the-tenant") for key in keys] == [(1, False), (0, True)]
    assert len({key.id for key in keys}) == 2
    assert accepts(stage, {"X-T": "old-token-of-the-tenant"})


def test_ways_that_share_a_secret_tell_their_keys_apart(stage: Stage) -> None:
    """Receivers tell by a key's id by which way a call came in, and so how a repeated one is recognised."""
    stage.bring("old", secret=b"old-token-of-the-tenant")
    shared = {"type": "hmac", "provider": "stripe", "secret": {"ref": {"name": "old"}}}
    stage.declare(auth=OLD)
    stage.settle()
    single = stage.binding().keys
    stage.change(auth=any_of(shared, OLD, {**shared, "provider": "github"}))
    stage.settle()
    first = stage.binding().keys
    stage.wait(60)
    stage.change(target={"service": {"name": "ci", "port": 8080, "path": "/elsewhere"}})
    stage.settle()
    assert [key.option for key in first] == [0, 1, 2]
    assert (len({key.id for key in first}), single[0].id in {key.id for key in first}) == (3, True)
    assert stage.binding().keys == first


def test_only_the_generated_secret_is_told(stage: Stage) -> None:
    """What the tenant brought stays where it is, in previous-secrets too."""
    stage.bring("old", secret=b"old-token-of-the-tenant")
    stage.declare(auth=any_of(OLD, NEW))
    stage.settle()
    told = stage.connection()
    assert set(told) == {"url", "header", "secret"}
    assert (told["secret"], told["header"]) == (stage.verifying()[0], b"X-Hub-Signature-256")


def test_a_generated_secret_survives_the_change_and_its_end(stage: Stage) -> None:
    """One way, then two, then the first again: the sender never learns of it."""
    stage.declare(auth=NEW)
    stage.settle()
    before = stage.connection()["secret"]
    stage.bring("old", secret=b"old-token-of-the-tenant")
    for auth in (any_of(NEW, OLD), any_of(OLD, NEW), NEW):
        stage.change(auth=auth)
        stage.settle()
        assert (stage.connection()["secret"], stage.ready()) == (before, "True Active")
    assert stage.verifying() == [before]


def test_the_way_with_the_generated_secret_rotates(stage: Stage) -> None:
    stage.bring("old", secret=b"old-token-of-the-tenant")
    stage.declare(auth=any_of(OLD, NEW))
    stage.settle()
    before = stage.connection()["secret"]
    stage.change(auth=any_of(OLD, {**NEW, "secret": {"rotate": "1"}}))
    stage.settle()
    assert stage.connection()["secret"] != before
    assert stage.connection()["previous-secrets"] == before
    assert [key.option for key in stage.binding().keys] == [1, 1, 0]


def test_a_way_whose_secret_is_missing_does_not_stop_the_others(stage: Stage) -> None:
    stage.declare(auth=any_of(OLD, {**DISCORD, "signature": {"publicKey": SENDERS["discord"]().secret.decode()}}))
    stage.settle()
    assert stage.ready() == "False SecretNotUsable"
    assert stage.message().startswith("spec.auth.anyOf[0].secret: Secret old, key secret: ")
    call = SENDERS["discord"]()
    stage.now = float(call.headers["X-Signature-Timestamp"])
    assert accepts(stage, call.headers, call.body)


def test_every_way_has_to_be_allowed() -> None:
    stage = Stage(platform(more="auth: {allowedTypes: [hmac]}\n"))
    stage.bring("old", secret=b"old-token-of-the-tenant")
    stage.declare(auth=any_of(NEW, OLD))
    stage.settle()
    assert stage.ready() == "False AuthTypeNotAllowed"
    assert stage.message().startswith("spec.auth.anyOf[1].type: token is not allowed")


def test_a_way_that_needs_an_issued_secret_says_which() -> None:
    stage = Stage()
    stage.bring("old", secret=b"old-token-of-the-tenant")
    stage.declare(auth=any_of(OLD, {"type": "hmac", "provider": "stripe"}))
    stage.settle()
    assert stage.ready() == "False SecretRefRequired"
    assert stage.message().startswith("spec.auth.anyOf[1].secret.ref: ")


def test_a_plain_binding_is_written_as_before_there_were_options(stage: Stage) -> None:
    """A new version of the operator changes no binding of a single way."""
    stage.declare(auth=NEW)
    stage.settle()
    (raw,) = stage.world.bindings().values()
    assert b"option" not in raw
    assert [type(key) for key in stage.binding().keys] == [Key]


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
