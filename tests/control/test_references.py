"""Secrets that the tenant brings: which may be referenced, which values are usable, what happens when they go."""

from __future__ import annotations

from typing import Any

import pytest

from tests.control.stage import SPEC, TEAM, Stage

MINE = b"brought-by-the-tenant"
OLD = b"the-one-before-it-here"


def auth(**secret: Any) -> dict[str, Any]:
    return {"type": "hmac", "provider": "github", "secret": secret}


@pytest.fixture
def own(stage: Stage) -> Stage:
    """An active endpoint that uses the Secret ``mine``."""
    stage.bring("mine", secret=MINE)
    stage.declare(auth=auth(ref={"name": "mine"}))
    stage.settle()
    return stage


def test_a_referenced_secret_verifies(own: Stage) -> None:
    assert own.verifying() == [MINE]
    assert own.ready() == "True Active"


def test_the_connection_secret_then_tells_url_and_header_only(own: Stage) -> None:
    assert set(own.connection()) == {"url", "header"}


def test_a_referenced_secret_is_never_written(own: Stage) -> None:
    assert own.secret("mine") == {"secret": MINE}
    own.delete()
    own.settle()
    assert own.secret("mine") == {"secret": MINE}


def test_another_key_may_be_named(stage: Stage) -> None:
    stage.bring("mine", token=MINE)
    stage.declare(auth=auth(ref={"name": "mine", "key": "token"}))
    stage.settle()
    assert stage.verifying() == [MINE]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_one_trailing_newline_is_taken_off(stage: Stage, newline: bytes) -> None:
    stage.bring("mine", secret=MINE + newline)
    stage.declare(auth=auth(ref={"name": "mine"}))
    stage.settle()
    assert stage.verifying() == [MINE]


def test_a_second_trailing_newline_is_part_of_the_value(stage: Stage) -> None:
    stage.bring("mine", secret=MINE + b"\n\n")
    stage.declare(auth=auth(ref={"name": "mine"}))
    stage.settle()
    assert stage.verifying() == [MINE + b"\n"]


@pytest.mark.parametrize("value", [b"", b"\n", b"\r\n"])
def test_an_empty_value_is_refused(stage: Stage, value: bytes) -> None:
    stage.bring("mine", secret=value)
    stage.declare(auth=auth(ref={"name": "mine"}))
    stage.settle()
    assert stage.ready() == "False SecretNotUsable"
    assert (stage.verifying(), stage.answer()) == ([], 503)


def test_without_the_label_a_secret_cannot_be_used_and_nobody_learns_whether_it_exists(stage: Stage) -> None:
    stage.bring("mine", labelled=False, secret=MINE)
    stage.declare("ci", auth=auth(ref={"name": "mine"}))
    stage.declare("chat", auth=auth(ref={"name": "none"}))
    stage.settle("ci")
    stage.settle("chat")
    assert stage.says("ResolvedRefs") == "False SecretNotUsable"
    assert (stage.verifying(), stage.answer()) == ([], 503)
    assert stage.message(name="ci").replace("mine", "none") == stage.message(name="chat")


def test_a_secret_of_another_namespace_is_out_of_reach(stage: Stage) -> None:
    stage.bring("mine", secret=MINE)
    found = stage.world.get("Secret", TEAM, "mine")
    assert found is not None
    stage.world.drop("Secret", TEAM, "mine")
    stage.world.put({**found, "metadata": {**found["metadata"], "namespace": "team-b"}})
    stage.declare(auth=auth(ref={"name": "mine"}))
    stage.settle()
    assert stage.ready() == "False SecretNotUsable"


def test_a_missing_key_is_named_and_ends_when_it_appears(stage: Stage) -> None:
    stage.bring("mine", other=MINE)
    stage.declare(auth=auth(ref={"name": "mine"}))
    stage.settle()
    assert stage.message() == "spec.auth.secret: Secret mine, key secret: has no such key"
    assert stage.says("Reconciling") == "True SecretNotUsable"
    stage.bring("mine", secret=MINE)
    stage.settle()
    assert (stage.ready(), stage.verifying()) == ("True Active", [MINE])


def test_previous_references_verify_too_in_their_order(stage: Stage) -> None:
    stage.bring("mine", secret=MINE)
    stage.bring("old", secret=OLD, older=b"the-eldest-one-of-all")
    previous = [{"name": "old"}, {"name": "old", "key": "older"}]
    stage.declare(auth=auth(ref={"name": "mine"}, previousRefs=previous))
    stage.settle()
    assert stage.verifying() == [MINE, OLD, b"the-eldest-one-of-all"]


def test_a_secret_that_is_too_long_for_any_binding_is_told(stage: Stage) -> None:
    """An API server would refuse the binding for ever, and the endpoint would never be judged."""
    stage.bring("mine", secret=b"x" * 32_768)
    stage.declare(auth={**SPEC["auth"], "secret": {"ref": {"name": "mine"}}})
    stage.settle()
    assert stage.ready() == "True Active"
    stage.bring("mine", secret=b"x" * 32_769)
    stage.settle()
    assert stage.ready() == "False SecretNotUsable"
    assert "is longer than 32 KiB" in stage.message()


def test_one_unusable_reference_never_disables_the_others(stage: Stage) -> None:
    stage.bring("old", secret=OLD)
    stage.declare(auth=auth(ref={"name": "missing"}, previousRefs=[{"name": "gone"}, {"name": "old"}]))
    stage.settle()
    assert (stage.verifying(), stage.answer()) == ([OLD], "verdict")
    assert stage.ready() == "False SecretNotUsable"
    assert "Secret missing" in stage.message()
    assert "Secret gone" in stage.message()
    assert "Secret old" not in stage.message()


def test_the_same_value_twice_is_one_key(stage: Stage) -> None:
    stage.bring("mine", secret=MINE)
    stage.bring("copy", secret=MINE)
    stage.declare(auth=auth(ref={"name": "mine"}, previousRefs=[{"name": "copy"}]))
    stage.settle()
    assert stage.verifying() == [MINE]


@pytest.mark.parametrize("how", ["deleted", "unlabelled", "emptied"])
def test_a_revoked_reference_leaves_no_key(own: Stage, how: str) -> None:
    if how == "deleted":
        own.world.drop("Secret", TEAM, "mine")
    elif how == "unlabelled":
        own.bring("mine", labelled=False, secret=MINE)
    else:
        own.bring("mine", secret=b"")
    own.settle()
    assert (own.verifying(), own.answer()) == ([], 503)
    assert own.ready() == "False SecretNotUsable"


def test_a_reference_that_comes_back_brings_back_the_same_url(own: Stage) -> None:
    told = own.connection()
    own.world.drop("Secret", TEAM, "mine")
    own.settle()
    own.bring("mine", secret=MINE)
    own.settle()
    assert (own.ready(), own.connection()) == ("True Active", told)


def test_a_changed_value_replaces_the_old_one_at_once(own: Stage) -> None:
    own.bring("mine", secret=b"another-value-from-now")
    own.settle()
    assert own.verifying() == [b"another-value-from-now"]


def test_a_key_keeps_its_name_and_age_while_its_value_stays(own: Stage) -> None:
    before = own.binding().keys[0]
    own.wait(3600)
    own.bring("new", secret=b"another-value-from-now")
    own.change(auth=auth(ref={"name": "new"}, previousRefs=[{"name": "mine"}]))
    own.settle()
    new, old = own.binding().keys
    assert (old.id, old.created, old.expires) == (before.id, before.created, None)
    assert (new.id != old.id, new.created) == (True, before.created + 3600)


def test_from_generated_to_referenced_and_back_makes_another_generated_one(stage: Stage) -> None:
    stage.declare(auth=auth())
    stage.settle()
    generated, url = stage.verifying(), stage.connection()["url"]
    stage.bring("mine", secret=MINE)
    stage.change(auth=auth(ref={"name": "mine"}))
    stage.settle()
    assert stage.verifying() == [MINE]
    assert stage.connection() == {"url": url, "header": b"X-Hub-Signature-256"}
    stage.change(auth=auth())
    stage.settle()
    assert stage.verifying() != generated
    assert MINE not in stage.verifying()
    assert stage.connection()["secret"] == stage.verifying()[0]
    assert stage.connection()["url"] == url


def test_a_sender_that_issues_its_secret_needs_a_reference(stage: Stage) -> None:
    stage.declare(auth={"type": "hmac", "provider": "svix"})
    stage.settle()
    assert stage.ready() == "False SecretRefRequired"
    assert stage.says("Accepted") == "False SecretRefRequired"
    stage.bring("mine", secret=b"whsec_" + b"QUJD" * 8)
    stage.change(auth={"type": "hmac", "provider": "svix", "secret": {"ref": {"name": "mine"}}})
    stage.settle()
    assert stage.ready() == "True Active"


def test_a_value_that_the_scheme_cannot_use_is_refused(stage: Stage) -> None:
    stage.bring("mine", secret=b"no base64 at all!")
    stage.declare(auth={"type": "hmac", "provider": "svix", "secret": {"ref": {"name": "mine"}}})
    stage.settle()
    assert (stage.ready(), stage.answer()) == ("False SecretNotUsable", 503)
