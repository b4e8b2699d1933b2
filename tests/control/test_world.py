"""The fake cluster, and the one over a folder, keep the promises of a cluster; and the fake watches over its users."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from hookgate.config.manifest import load_endpoint
from hookgate.control.cluster import Request
from hookgate.control.directory import DirectoryCluster
from hookgate.control.objects import binding_secret
from hookgate.control.state import Record, StateFolder
from hookgate.control.values import Step, Verb
from tests.control.contract import Act, ClusterContract, connection, encoded, status
from tests.control.stage import SPEC, START, TEAM, Stage
from tests.kube.asyncrun import run

CI = Request(TEAM, "ci")


class TestWorld(ClusterContract):
    """The fake."""

    def play(self, act: Act) -> None:
        stage = Stage()
        stage.declare()
        stage.world.watchman.reconciling = CI
        run(_on(act, stage))


class TestDirectory(ClusterContract):
    """The folder of standalone mode."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "state"

    def play(self, act: Act) -> None:
        state, uids = StateFolder(self.folder), itertools.count(1)
        state.open()
        cluster = DirectoryCluster(state, forwards={}, clock=lambda: START, new_uid=lambda: f"uid-{next(uids)}")
        manifest = load_endpoint(
            {
                "apiVersion": "hookgate.dev/v1alpha1",
                "kind": "WebhookEndpoint",
                "metadata": {"name": "ci", "namespace": TEAM},
                "spec": dict(SPEC),
            }
        )
        cluster.declare({CI: Record(source="ci.yaml", object=manifest)}, {})
        found = cluster.endpoint(CI)
        assert found is not None

        async def scene() -> None:
            await act(cluster, found)

        try:
            run(scene())
        finally:
            state.close()


async def _on(act: Act, stage: Stage) -> None:
    await act(stage.world, stage.endpoint())


# The watchman ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def watched(stage: Stage) -> Stage:
    """A stage with an endpoint whose turn it is."""
    stage.declare()
    stage.world.watchman.reconciling = CI
    return stage


def test_a_step_into_another_tenant_s_namespace_is_noticed(watched: Stage) -> None:
    stray = connection(watched.endpoint())
    stray["metadata"]["namespace"] = "team-b"
    with pytest.raises(AssertionError, match="Secret in team-b"):
        run(watched.world.execute(Step(verb=Verb.CREATE, object=stray)))


def test_a_step_that_touches_what_users_declare_is_noticed(watched: Stage) -> None:
    with pytest.raises(AssertionError):
        run(watched.world.execute(Step(verb=Verb.APPLY, object=watched.endpoint())))


def test_a_secret_in_a_status_is_noticed(watched: Stage) -> None:
    run(watched.world.execute(Step(verb=Verb.CREATE, object=connection(watched.endpoint()))))
    with pytest.raises(AssertionError, match="a secret is told"):
        run(watched.world.write_status(watched.endpoint(), {**status(), "leaked": "first-value"}))


def test_a_status_that_breaks_the_rules_of_kstatus_is_noticed(watched: Stage) -> None:
    with pytest.raises(AssertionError):
        run(watched.world.write_status(watched.endpoint(), {**status(), "observedGeneration": 7}))


def test_a_lagging_receiver_goes_on_serving_what_it_served(watched: Stage) -> None:
    uid = watched.endpoint()["metadata"]["uid"]
    watched.receivers.lag()
    made = binding_secret(uid, encoded(watched.endpoint()), watched.world.binding_namespace)
    run(watched.world.execute(Step(verb=Verb.CREATE, object=made)))
    assert run(watched.receivers.served(uid, None)).agreeing == 1
