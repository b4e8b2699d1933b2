"""P21: each right that the operator and the receiver are given is needed, and none is a wildcard.

Of one rule of one shipped role one verb on one kind is taken away at a time; then endpoints go through their lives, and
the API server has to refuse just that. What the operator may do in every namespace covers some rights of its Roles in
single ones: those are tried on an operator for some namespaces only, which has nothing else to fall back on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.cluster.rest import path_of
from tests.faults.asked import BINDINGS, SYSTEM, Asked
from tests.faults.cases import Case, Scope
from tests.faults.operators import pause_until
from tests.faults.stand import GATEWAY_HOST, HOST, Stand
from tests.faults.team import Team

Object = dict[str, Any]

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
#: What the operator may do in every namespace, or with a RoleBinding in some.
_EVERYWHERE = f"{_RBAC}/clusterroles/hookgate-operator"
_BOUND = f"{_RBAC}/clusterrolebindings/hookgate-operator"
_RECEIVER = f"{_RBAC}/namespaces/{BINDINGS}/roles/hookgate-receiver"
_ROLES = (
    _EVERYWHERE,
    f"{_RBAC}/clusterroles/hookgate-operator-classes",
    f"{_RBAC}/namespaces/{BINDINGS}/roles/hookgate-operator",
    f"{_RBAC}/namespaces/{SYSTEM}/roles/hookgate-operator",
    _RECEIVER,
)
_QUICK = 3
_PATIENCE_S = 60.0
_LEASE = {"lease_s": 15.0, "renew_deadline_s": 10.0, "retry_s": 2.0}
#: The right that the API server misses where it is asked for something; by default the one of the same name.
_ASKS: Mapping[str, tuple[str, ...]] = {"create": ("create", "patch"), "update": ("replace",)}
_AUTOSCALER = f"/apis/autoscaling/v2/namespaces/{SYSTEM}/horizontalpodautoscalers/hookgate-receiver"
_TOLD = f"/api/v1/namespaces/{SYSTEM}/configmaps/hookgate-status"
#: What the operator makes of receivers that it runs, and a change that it has to undo.
MADE: Mapping[str, Object] = {
    f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/hookgate-receiver": {
        "spec": {"template": {"spec": {"terminationGracePeriodSeconds": 7}}}
    },
    f"/api/v1/namespaces/{SYSTEM}/services/hookgate-receiver": {"spec": {"selector": {"drift": "yes"}}},
    f"/apis/policy/v1/namespaces/{SYSTEM}/poddisruptionbudgets/hookgate-receiver": {"spec": {"maxUnavailable": 3}},
    _AUTOSCALER: {"spec": {"maxReplicas": 9}},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One verb on one kind, as one role gives it; ``names`` are the only ones that it is for, if there are any."""

    role: str
    group: str
    resource: str
    verb: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        names = f" {'/'.join(self.names)}" if self.names else ""
        return f"{self.verb} {self.resource}{names} of {self.role.removeprefix(f'{_RBAC}/')}"

    @property
    def rule(self) -> Object:
        """The rule that gives this right and no other."""
        names = {"resourceNames": [*self.names]} if self.names else {}
        return {"apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb], **names}

    def like(self, other: Right) -> bool:
        """Whether both are for the same, wherever that is."""
        return (self.group, self.resource, self.verb) == (other.group, other.resource, other.verb)

    def missed_by(self, asked: Asked) -> bool:
        """Whether a request that is refused may be so for want of this right."""
        return (
            asked.verb in _ASKS.get(self.verb, (self.verb,))
            and asked.resource == self.resource
            and ("/namespaces/" not in self.role or f"/namespaces/{asked.namespace}/" in self.role)
            and (asked.client == "receiver") == (self.role == _RECEIVER)
        )


def rights(stand: Stand, scope: Scope) -> Iterator[Case]:
    """Take each right away, one at a time."""
    shipped = {path: stand.admin.send("GET", path).body for path in _ROLES}
    given = [right for path, role in shipped.items() for right in _given(path, role)]
    wild = [str(right) for right in given if "*" in (right.group, right.resource, right.verb)]
    yield Case("P21", "no wildcards", "; ".join(wild))
    everywhere = [right for right in given if right.role == _EVERYWHERE]
    for narrow in (False, True):
        where = "in some namespaces" if narrow else "in all namespaces"
        yield Case("P21", f"with all of them nothing is refused {where}", _Life(stand, narrow=narrow).lived())
    wanted = [right for right in given if scope.only in str(right)]
    for right in wanted[:_QUICK] if scope.quick else wanted:
        covered = right.role not in (_EVERYWHERE, _RECEIVER) and any(right.like(each) for each in everywhere)
        role = shipped[right.role]
        stand.admin.send("PUT", right.role, _with(role, [each for each in _given(right.role, role) if each != right]))
        yield Case("P21", f"without {right}", _Life(stand, right, narrow=covered).lived())
        stand.admin.send("PUT", right.role, _with(role, _given(right.role, role)))
    stand.clean()


def _given(path: str, role: Object) -> list[Right]:
    return [
        Right(role=path, group=group, resource=resource, verb=verb, names=tuple(rule.get("resourceNames", ())))
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def _with(role: Object, rights: list[Right]) -> Object:
    return {**role, "rules": [right.rule for right in rights], "metadata": _anew(role)}


def _anew(obj: Object) -> Object:
    return {k: v for k, v in obj["metadata"].items() if k not in ("resourceVersion", "managedFields", "uid")}


class _Noticed(Exception):  # noqa: N818 -- no error: what was waited for
    """The right that was taken away was missed."""


class _Life:
    """Two endpoints, and receivers that the operator runs, taken through all that needs a right.

    ``taken`` is the right that is missing, if any: its first refusal ends it. With ``narrow`` the operator is one for
    the two namespaces only.
    """

    def __init__(self, stand: Stand, taken: Right | None = None, *, narrow: bool) -> None:
        self._stand, self._taken, self._narrow = stand, taken, narrow
        self._mark = stand.proxy.mark()

    def lived(self) -> str:
        """Live it; return what was not as it has to be."""
        wrong = ""
        stand = self._stand
        bound = stand.admin.send("GET", _BOUND).body
        try:
            self._live(bound)
        except _Noticed:
            return ""
        except AssertionError as error:
            wrong = str(error)
        finally:
            # One that lacks a right may be about to end: nobody may take it for one that works.
            stand.end_operator()
            for path in (*MADE, _TOLD):
                stand.admin.send("DELETE", path)
            if self._narrow:
                stand.admin.send("POST", _BOUND.rpartition("/")[0], {**bound, "metadata": _anew(bound)})
        refused = "; ".join(sorted({f"{asked} is refused" for asked in self._refused()}))
        if self._taken is None:
            return "; ".join(filter(None, (wrong, refused)))
        if any(map(self._taken.missed_by, self._refused())):
            return ""
        return "; ".join(filter(None, ("it is not missed", wrong, refused)))

    def _refused(self) -> list[Asked]:
        return [entry.asked for entry in self._stand.proxy.log[self._mark :] if entry.status == 403]

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait. Raises `_Noticed`, and AssertionError where it takes too long."""

        def noticed() -> bool:
            return self._taken is not None and any(map(self._taken.missed_by, self._refused()))

        came = pause_until(lambda: noticed() or condition(), _PATIENCE_S)
        if noticed():
            raise _Noticed
        assert came, f"waited {_PATIENCE_S:g} s for {what}"

    def _live(self, bound: Object) -> None:
        stand = self._stand
        team, other = stand.team(), stand.team()
        self._start(bound, team, other)

        def both_ready() -> bool:
            return team.says() == other.says() == "True Active"

        team.serve()
        team.create(target={"service": {"name": "app", "port": 8080}}, deletionPolicy="Retain")
        other.create(exposure={"host": GATEWAY_HOST})
        self._until(both_ready, "both to be in force")
        surplus = {"data": {"surplus": "eA=="}}
        connection = path_of("Secret", team.namespace, "ci-webhook")
        stand.admin.send("PATCH", connection, surplus, content_type="application/merge-patch+json")
        team.patch(auth={"secret": {"rotate": "1"}})
        other.patch(exposure={"host": HOST})
        self._until(both_ready, "one to be rotated, the other to be moved")
        other.patch(secretName="elsewhere")
        self._until(both_ready, "another connection Secret")
        team.delete()
        other.delete()
        self._until(lambda: team.get() is None and other.get() is None, "both to be gone")
        self._run_receivers()

    def _start(self, bound: Object, *teams: Team) -> None:
        """Start operator and receiver anew, the operator with rights for the teams only where it is to be narrow."""
        stand = self._stand
        stand.end_operator()
        stand.configure()
        stand.admin.delete("Lease", SYSTEM, "hookgate-operator")
        namespaces = [team.namespace for team in teams] if self._narrow else []
        for namespace in namespaces:
            binding = {"kind": "RoleBinding", "apiVersion": bound["apiVersion"], "metadata": {"name": "hookgate"}}
            path = path_of("RoleBinding", namespace)
            stand.admin.send("POST", path, {**binding, "roleRef": bound["roleRef"], "subjects": bound["subjects"]})
        if self._narrow:
            stand.admin.send("DELETE", _BOUND)
        stand.restart_receiver(wait=False)
        stand.start_operator(lease=_LEASE, namespaces=namespaces)

    def _run_receivers(self) -> None:
        """Have receivers made, changed by others, scaled by an autoscaler and no more, and given up."""
        stand = self._stand
        managed: Object = {"image": "example.com/hookgate:0"}
        autoscaled = {**managed, "autoscaling": {"minReplicas": 1, "maxReplicas": 3}}
        stand.configure(receiver={"managed": autoscaled})
        self._until(lambda: all(stand.admin.send("GET", path).ok for path in (*MADE, _TOLD)), "receivers to be made")
        for path, drift in MADE.items():
            stand.admin.send("PATCH", path, drift, content_type="application/merge-patch+json")
        self._until(lambda: not _drifted(stand), "the receivers to be put right")
        stand.configure(receiver={"managed": {**managed, "replicas": 1}})
        self._until(lambda: stand.admin.send("GET", _AUTOSCALER).status == 404, "the autoscaler to be gone")
        stand.configure()
        self._until(
            lambda: "NotManaged" in str(stand.admin.send("GET", _TOLD).body), "receivers to be told as another's"
        )


def _drifted(stand: Stand) -> bool:
    """Whether anything still says what somebody else wrote into it."""
    found = [(stand.admin.send("GET", path).body, drift) for path, drift in MADE.items()]
    return any(_holds(body, drift) for body, drift in found)


def _holds(body: Any, drift: Any) -> bool:
    if isinstance(drift, dict):
        return isinstance(body, dict) and all(_holds(body.get(key), value) for key, value in drift.items())
    return bool(body == drift)
