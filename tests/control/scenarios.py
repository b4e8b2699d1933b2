"""Stories of an endpoint, a step at a time: every step is something that users or the platform do before a look."""

from __future__ import annotations

from collections.abc import Mapping

from tests.control.stage import GATEWAY, OFFER, TEAM, Act, Stage, platform


def lose_binding(stage: Stage) -> None:
    """Take the binding away, as a restored backup of the wrong day would."""
    stage.world.drop("Secret", "hookgate-bindings", stage.endpoint()["metadata"]["uid"])


def lose_binding_and_rotate(stage: Stage) -> None:
    """Take the binding away and ask for another secret before anybody looked."""
    lose_binding(stage)
    stage.secret_policy(rotate="1", overlap="1h")


def lose_connection(stage: Stage) -> None:
    """Take the connection Secret away."""
    stage.world.drop("Secret", TEAM, "ci-webhook")


def lose_both(stage: Stage) -> None:
    """Take everything away that knows the secret."""
    lose_binding(stage)
    lose_connection(stage)


def freeze(stage: Stage) -> None:
    """Make the connection Secret immutable with something else in it."""
    stage.edit("Secret", "ci-webhook", immutable=True, data={})


def own(stage: Stage) -> None:
    """Declare an endpoint that uses a Secret of the tenant's."""
    stage.bring("mine", secret=b"brought-by-the-tenant")
    stage.declare(auth={"type": "hmac", "provider": "github", "secret": {"ref": {"name": "mine"}}})


def adopt(stage: Stage) -> None:
    """Declare an endpoint that takes over what a deleted one left behind."""
    stage.declare()
    stage.annotate("hookgate.dev/adopt", "true")


def offer(*hosts: str) -> Act:
    """Put another offer of hosts in force."""
    return lambda stage: stage.configure(platform(*hosts))


def later(seconds: float) -> Act:
    """Let time pass."""
    return lambda stage: stage.wait(seconds)


def active(stage: Stage) -> None:
    """Declare an active endpoint."""
    stage.declare()


def delete(stage: Stage) -> None:
    """Delete the endpoint."""
    stage.delete()


def state(value: str) -> Act:
    """Declare another state."""
    return lambda stage: stage.change(state=value)


def rotate(value: str, overlap: str = "1h") -> Act:
    """Ask for another secret."""
    return lambda stage: stage.secret_policy(rotate=value, overlap=overlap)


def retain(stage: Stage) -> None:
    """Declare that the connection Secret outlives the endpoint."""
    stage.change(deletionPolicy="Retain")


SCENARIOS: Mapping[str, tuple[Act, ...]] = {
    "configured first, activated later": (lambda s: s.declare(state="inactive"), state("active")),
    "active, inactive, active": (active, state("inactive"), state("active")),
    "active, absent, active": (active, state("absent"), state("active")),
    "deleted": (active, delete),
    "deleted and made anew": (active, delete, active),
    "rotated until the old secret ends": (active, rotate("1"), rotate("2"), later(3600)),
    "revoked at once": (active, rotate("1", "0s")),
    "another URL": (active, lambda s: s.change(exposure={"rotateURL": "1", "overlap": "1h"}), later(3600)),
    "its connection Secret moves": (active, lambda s: s.change(secretName="elsewhere")),
    "from generated to referenced and back": (active, own, lambda s: s.secret_policy()),
    "binding lost": (active, lose_binding),
    "binding lost and rotation asked for": (active, lose_binding_and_rotate),
    "both lost, then rotated": (active, lose_both, rotate("1")),
    "connection Secret lost": (active, lose_connection),
    "connection Secret frozen": (active, freeze),
    "reference lost and found": (own, lambda s: s.world.drop("Secret", TEAM, "mine"), own),
    "host withdrawn and given back": (active, offer(OFFER.replace("team-*", "nobody")), offer()),
    "moved to a Gateway": (active, offer(GATEWAY)),
    "retained and adopted": (active, retain, delete, adopt),
    "a spec that is unreadable for a while": (active, lambda s: s.store({}), active),
    "a taken name that is given up": (
        lambda s: s.bring("ci-webhook", labelled=False, password=b"somebody else's"),
        active,
        lose_connection,
    ),
}
