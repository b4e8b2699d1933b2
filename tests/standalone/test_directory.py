"""A folder keeps an API server's rules: identities, generations, preconditions, finalizers, and what is written."""

from __future__ import annotations

import asyncio
import errno
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hookgate.config.manifest import load_endpoint
from hookgate.control import objects
from hookgate.control.cluster import ClusterError, Request
from hookgate.control.directory import DirectoryCluster
from hookgate.control.state import Record, StateError, StateFolder
from hookgate.control.values import Step, Verb
from hookgate.model.endpoint import FINALIZER
from hookgate.model.parse import parse_endpoint

PUSH = Request("default", "push")
FORWARDS = {("default", "ci"): "http://127.0.0.1:3000"}


def manifest(name: str = "push", *, labels: Mapping[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """Return an endpoint as a file declares it."""
    target = {"service": {"name": "ci", "port": 80}}
    return load_endpoint(
        {
            "apiVersion": "hookgate.dev/v1alpha1",
            "kind": "WebhookEndpoint",
            "metadata": {"name": name, "namespace": "default", **({"labels": dict(labels)} if labels else {})},
            "spec": {"auth": {"type": "hmac", "provider": "github"}, "target": target, **spec},
        }
    )


def secret(name: str, value: str = "dmFsdWU=", **labels: str) -> dict[str, Any]:
    """Return a Secret as a file declares it."""
    metadata = {"name": name, "namespace": "default", "labels": labels}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": {"secret": value}}


class World:
    """A cluster over a temporary folder, with readable uids, and whom it woke."""

    def __init__(self, folder: Path) -> None:
        """Open the folder."""
        self.folder, self.now, self.woken = folder, 1_800_000_000.0, list[Request]()
        self._uids = itertools.count(1)
        self.open()

    def open(self) -> None:
        """Open the folder, as a process does at its start."""
        self.state = StateFolder(self.folder)
        self.state.open()
        self.cluster = DirectoryCluster(
            self.state, forwards=FORWARDS, clock=lambda: self.now, new_uid=lambda: f"uid-{next(self._uids)}"
        )
        self.cluster.wake = self.woken.append

    def reopen(self) -> None:
        """End and start again."""
        self.state.close()
        self.open()

    def declare(self, *manifests: dict[str, Any], secrets: tuple[dict[str, Any], ...] = ()) -> tuple[str, ...]:
        """Declare exactly these."""
        return self.cluster.declare(_records(manifests), _records(secrets))

    def do(self, verb: Verb, obj: Mapping[str, Any]) -> None:
        """Carry out one step."""
        asyncio.run(self.cluster.execute(Step(verb=verb, object=obj)))

    def meta(self, request: Request = PUSH) -> Mapping[str, Any]:
        """Return an endpoint's metadata."""
        found = self.cluster.endpoint(request)
        assert found is not None
        return objects.meta(found)

    def connection(self) -> Mapping[str, Any] | None:
        """Return the connection Secret of `PUSH`, if it is there."""
        found = asyncio.run(self.cluster.connections("default", "nobody", "push-webhook", sure=True))
        return found[0] if found else None

    def connect(self, value: bytes = b"value") -> dict[str, Any]:
        """Return the connection Secret that the control plane would write for `PUSH`."""
        found = self.cluster.endpoint(PUSH)
        assert found is not None
        return objects.connection_secret(parse_endpoint(found), {"secret": value})


def _records(manifests: tuple[dict[str, Any], ...]) -> dict[Request, Record]:
    return {
        Request(m["metadata"]["namespace"], m["metadata"]["name"]): Record(source="hooks.yaml", object=m)
        for m in manifests
    }


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[World]:
    """An empty world."""
    world = World(tmp_path / "state")
    yield world
    world.state.close()


def test_a_declared_endpoint_gets_what_a_server_gives_it(world: World) -> None:
    """Identity, generation, version and time."""
    world.declare(manifest(labels={"team": "a"}))
    assert world.meta() == {
        "namespace": "default",
        "name": "push",
        "labels": {"team": "a"},
        "uid": "uid-1",
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": "2027-01-15T08:00:00Z",
    }
    assert world.woken == [PUSH]


def test_the_generation_counts_changes_of_the_spec_alone(world: World) -> None:
    """Labels change the version and wake; a repetition does nothing at all."""
    world.declare(manifest())
    world.declare(manifest(labels={"team": "a"}))
    assert (world.meta()["generation"], world.meta()["resourceVersion"]) == (1, "2")
    world.declare(manifest(labels={"team": "a"}, state="inactive"))
    assert (world.meta()["generation"], world.meta()["resourceVersion"]) == (2, "3")
    world.woken.clear()
    world.declare(manifest(labels={"team": "a"}, state="inactive"))
    assert (world.meta()["resourceVersion"], world.woken) == ("3", [])


def test_what_was_written_is_read_again_by_the_next_process(world: World) -> None:
    """Endpoints with status, Secrets of both kinds, bindings, and the count of versions."""
    world.declare(manifest(), secrets=(secret("own"),))
    world.do(Verb.CREATE, world.connect())
    world.do(Verb.CREATE, objects.binding_secret(world.meta()["uid"], b"bytes", world.cluster.binding_namespace))
    found = world.cluster.endpoint(PUSH)
    assert found is not None
    asyncio.run(world.cluster.write_status(found, {"observedGeneration": 1}))
    before = (dict(world.cluster.endpoints), world.connection(), dict(world.cluster.bindings))
    world.reopen()
    assert (dict(world.cluster.endpoints), world.connection(), dict(world.cluster.bindings)) == before
    world.declare(manifest(state="inactive"))
    assert world.meta()["resourceVersion"] == "5"


def test_creating_what_exists_is_a_conflict(world: World) -> None:
    """So that no stale read can overwrite a secret."""
    world.declare(manifest())
    world.do(Verb.CREATE, world.connect(b"first"))
    with pytest.raises(ClusterError, match="create Secret default/push-webhook: it exists already") as raised:
        world.do(Verb.CREATE, world.connect(b"second"))
    assert raised.value.conflict
    assert world.connection() is not None
    assert objects.secret_data(world.connection() or {})["secret"] == b"first"


@pytest.mark.parametrize("verb", [Verb.APPLY, Verb.REPLACE, Verb.DELETE])
@pytest.mark.parametrize("name", ["uid", "resourceVersion"])
def test_a_write_that_means_another_object_is_a_conflict(world: World, verb: Verb, name: str) -> None:
    """The preconditions of an API server."""
    world.declare(manifest())
    world.do(Verb.CREATE, world.connect())
    found = world.connection()
    assert found is not None
    meant = {**found, "metadata": {**found["metadata"], name: "another"}}
    with pytest.raises(ClusterError, match=f"another {name} than the one that was read") as raised:
        world.do(verb, meant)
    assert raised.value.conflict
    assert world.connection() == found


@pytest.mark.parametrize("verb", [Verb.APPLY, Verb.DELETE])
def test_a_binding_knows_its_versions_too(world: World, verb: Verb) -> None:
    """A binding that changed since it was read is not overwritten."""
    world.declare(manifest())
    wanted = objects.binding_secret("uid-1", b"one", world.cluster.binding_namespace)
    world.do(Verb.CREATE, wanted)
    found = asyncio.run(world.cluster.binding("uid-1", sure=True))
    assert found is not None
    world.do(Verb.APPLY, objects.binding_secret("uid-1", b"two", world.cluster.binding_namespace))
    with pytest.raises(ClusterError, match="another resourceVersion"):
        world.do(verb, objects.at(wanted, found, version=True))
    assert world.cluster.bindings == {"uid-1": b"two"}


@pytest.mark.parametrize("verb", [Verb.APPLY, Verb.REPLACE])
def test_a_write_on_what_is_gone_makes_nothing_new(world: World, verb: Verb) -> None:
    """An object that carries a uid is that very object or none."""
    world.declare(manifest())
    gone = world.connect()
    gone["metadata"]["uid"] = "uid-9"
    with pytest.raises(ClusterError, match="it is gone"):
        world.do(verb, gone)
    assert world.connection() is None


def test_deleting_what_is_gone_is_done(world: World) -> None:
    """As everywhere: the wish is fulfilled."""
    world.declare(manifest())
    world.do(Verb.DELETE, world.connect())
    assert world.connection() is None


def test_applying_what_is_so_changes_nothing(world: World) -> None:
    """Not even the version."""
    world.declare(manifest())
    world.do(Verb.CREATE, world.connect())
    before = world.connection()
    world.do(Verb.APPLY, world.connect())
    assert world.connection() == before


def test_a_kind_that_a_folder_does_not_keep_is_refused(world: World) -> None:
    """There are no routes here."""
    with pytest.raises(ClusterError, match="create Ingress x/y: a folder keeps no such objects"):
        world.do(Verb.CREATE, {"kind": "Ingress", "metadata": {"namespace": "x", "name": "y"}})


def test_an_endpoint_with_a_finalizer_is_marked_and_goes_with_all_it_owned(world: World) -> None:
    """As kubectl delete: first the mark, the rest when the finalizer goes."""
    world.declare(manifest())
    found = world.cluster.endpoint(PUSH)
    assert found is not None
    world.do(Verb.APPLY, objects.finalizer(found, present=True))
    world.do(Verb.CREATE, world.connect())
    world.declare()
    assert world.meta()["deletionTimestamp"] == "2027-01-15T08:00:00Z"
    assert world.meta()["finalizers"] == [FINALIZER]
    world.do(Verb.APPLY, objects.finalizer(found, present=False))
    assert (world.cluster.endpoint(PUSH), world.connection()) == (None, None)
    assert list(world.folder.rglob("*.json")) == []


def test_an_endpoint_declared_again_during_its_deletion_begins_anew(world: World) -> None:
    """A deletion that has begun is never undone, and never forgets what is declared meanwhile."""
    world.declare(manifest())
    found = world.cluster.endpoint(PUSH)
    assert found is not None
    world.do(Verb.APPLY, objects.finalizer(found, present=True))
    world.declare()
    world.declare(manifest())
    assert world.meta()["uid"] == "uid-1"
    world.do(Verb.APPLY, objects.finalizer(found, present=False))
    assert (world.meta()["uid"], world.meta()["generation"]) == ("uid-2", 1)
    assert world.woken[-1] == PUSH


def test_an_endpoint_without_a_finalizer_goes_at_once(world: World) -> None:
    """Nothing was made for it yet."""
    world.declare(manifest())
    world.declare()
    assert world.cluster.endpoint(PUSH) is None


def test_a_status_is_written_to_the_very_object_that_was_seen(world: World) -> None:
    """Not to a new one of the same name."""
    world.declare(manifest())
    found = world.cluster.endpoint(PUSH)
    assert found is not None
    world.declare()
    world.declare(manifest())
    with pytest.raises(ClusterError, match="another uid"):
        asyncio.run(world.cluster.write_status(found, {}))


def test_a_declared_secret_never_takes_a_connection_secrets_place(world: World) -> None:
    """It is refused with file and name, and the connection Secret stays."""
    world.declare(manifest())
    world.do(Verb.CREATE, world.connect())
    before = world.connection()
    assert world.declare(manifest(), secrets=(secret("push-webhook"),)) == (
        "hooks.yaml: Secret default/push-webhook: metadata.name: there is a connection Secret of this name; "
        "choose another name",
    )
    assert world.connection() == before


def test_a_secret_wakes_the_endpoints_that_refer_to_it(world: World) -> None:
    """When it comes, changes and goes; others sleep on."""
    ref = {"type": "hmac", "provider": "github", "secret": {"ref": {"name": "own"}}}
    both = (manifest(auth=ref), manifest("other"))
    world.declare(*both)
    for secrets in ((secret("own"),), (secret("own", "bmV3"),), (secret("own", "bmV3"),), ()):
        world.woken.clear()
        world.declare(*both, secrets=secrets)
        changed = secrets != (secret("own", "bmV3"),) or world.woken != []
        assert world.woken == ([PUSH] if changed else [])


def test_only_a_labelled_secret_may_be_referred_to(world: World) -> None:
    """As in a cluster."""
    world.declare(secrets=(secret("plain"), secret("labelled", **{"hookgate.dev/webhook": "true"})))
    assert world.cluster.referenced("default", "plain") is None
    assert world.cluster.referenced("default", "labelled") is not None


def test_a_forwarded_service_has_the_ports_that_are_asked_for(world: World) -> None:
    """The URL stands for all of them; another name has no Service."""
    world.declare(manifest(), manifest("other", target={"service": {"name": "ci", "port": 8080}}))
    found = world.cluster.service("default", "ci")
    assert found is not None
    assert [port["port"] for port in found["spec"]["ports"]] == [80, 8080]
    assert world.cluster.service_base("default", "ci") == "http://127.0.0.1:3000"
    assert (world.cluster.service("default", "cd"), world.cluster.service_base("other", "ci")) == (None, None)


def test_elders_are_the_older_ones_of_the_namespace(world: World) -> None:
    """By creation, then by name, since all files of a first look are as old as each other."""
    world.declare(manifest("b"), manifest("a"), manifest("c", state="absent"))
    world.now += 5
    world.declare(manifest("b"), manifest("a"), manifest("c", state="absent"), manifest("0"))
    ages = {q.name: world.cluster.elders(r.object) for q, r in world.cluster.endpoints.items()}
    assert ages == {"a": 0, "b": 1, "c": 2, "0": 2}


def test_a_full_disk_is_an_error_to_try_again_and_changes_no_memory(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in memory is what is on disk."""
    world.declare(manifest())

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(StateFolder, "put_object", full)
        patch.setattr(StateFolder, "put_binding", full)
        with pytest.raises(ClusterError, match=r"declare .*\(No space left on device\)"):
            world.declare(manifest(state="inactive"))
        with pytest.raises(ClusterError, match=r"create Secret .*\(No space left on device\)"):
            world.do(Verb.CREATE, world.connect())
        with pytest.raises(ClusterError, match=r"create Secret .*\(No space left on device\)"):
            world.do(Verb.CREATE, objects.binding_secret("uid-1", b"x", world.cluster.binding_namespace))
    assert (world.meta()["generation"], world.connection(), dict(world.cluster.bindings)) == (1, None, {})
    world.declare(manifest(state="inactive"))
    assert world.meta()["generation"] == 2


def test_what_belongs_to_no_endpoint_is_swept_at_the_start(world: World) -> None:
    """A binding without an object would be served for ever."""
    world.declare(manifest(), secrets=(secret("own"),))
    world.do(Verb.CREATE, world.connect())
    world.do(Verb.CREATE, objects.binding_secret(world.meta()["uid"], b"bytes", world.cluster.binding_namespace))
    (world.folder / "webhookendpoints" / "default" / "push.json").unlink()
    world.reopen()
    assert (dict(world.cluster.bindings), world.connection()) == ({}, None)
    assert set(world.cluster.declared_secrets) == {Request("default", "own")}


def test_a_state_file_that_is_no_object_is_told_and_not_touched(world: World) -> None:
    """Nothing is swept on the word of a broken file."""
    world.declare(manifest())
    path = world.folder / "webhookendpoints" / "default" / "push.json"
    path.write_text("{}")
    with pytest.raises(StateError, match=rf"{path}: not what Hookgate wrote here"):
        world.reopen()
    assert path.read_text() == "{}"


def test_the_longest_names_have_a_file(world: World) -> None:
    """A Secret's name may be longer than a file's."""
    name = "s" * 253
    world.declare(secrets=(secret(name), secret(name[:-1] + "t")))
    world.reopen()
    assert {request.name for request in world.cluster.declared_secrets} == {name, name[:-1] + "t"}


def test_a_draft_that_was_left_behind_is_no_object(world: World) -> None:
    """A crash in the middle of a write leaves the old file whole."""
    world.declare(manifest())
    before = dict(world.cluster.endpoints)
    (world.folder / "webhookendpoints" / "default" / ".push.json.draft").write_text('{"half')
    world.reopen()
    assert dict(world.cluster.endpoints) == before


def test_nothing_that_carries_a_secret_prints_it() -> None:
    """Records keep their contents to themselves."""
    record = Record(source="hooks.yaml", object=secret("own"))
    assert repr(record) == "Record(source='hooks.yaml')"
