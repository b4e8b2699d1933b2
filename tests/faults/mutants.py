"""Whether the suites can fail at all: `python -m tests.faults.mutants [PROPERTY ...]`.

For each property one mistake is made in a copy of the tree, never in the tree itself, and the suite has to find it.
Exits with 1 if one is not found; a suite that merely breaks off has found nothing. A text that is no longer there is an
error: the mistake has to be made anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.faults.cases import BROKEN

ROOT = Path(__file__).resolve().parents[2]
_PARTS = ("operator", "tests", "manifests", "crds")
_CONTROL, _KUBE = "operator/hookgate/control", "operator/hookgate/kube"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A mistake: in ``file``, ``old`` becomes ``new``. ``tried`` are the arguments of the run that has to find it."""

    property: str
    what: str
    file: str
    old: str
    new: str
    tried: tuple[str, ...] = ("--quick",)


MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        property="P1",
        what="the connection Secret is made only by whoever has just made the binding",
        file=f"{_CONTROL}/decide.py",
        old="if confirmed or _last_confirmed(case.observed) is None:",
        new="if case.binding is None:",
    ),
    Mutant(
        property="P1",
        what="a status forgets a secret only when it is gone",
        file=f"{_CONTROL}/removal.py",
        old='if (observed.manifest.get("status") or {}).get("secretName"):',
        new="if False:",
    ),
    Mutant(
        property="P2",
        what="a secret that nobody was told of yet is made anew by whoever comes next",
        file=f"{_CONTROL}/next_binding.py",
        old="    if before is None:\n        return (recovered_keys",
        new="    if before is None or (observed.served is None and not observed.connections):\n"
        "        return (recovered_keys",
    ),
    Mutant(
        property="P2",
        what="the key to sign for a target with is made anew until a connection Secret tells it",
        file=f"{_CONTROL}/signing.py",
        old="    if not before.forward_keys:\n",
        new="    if not before.forward_keys or case.connection is None:\n",
    ),
    Mutant(
        property="P3",
        what="watched kinds are never listed again",
        file=f"{_KUBE}/reflector.py",
        old="return self._resync_s is not None and",
        new="return False and self._resync_s is not None and",
        tried=("--only", "a bad reference"),
    ),
    Mutant(
        property="P4",
        what="an endpoint is not looked at before something is written for it",
        file=f"{_CONTROL}/reconcile.py",
        old="await self._cluster.refresh(manifest)",
        new="pass",
    ),
    Mutant(
        property="P5",
        what="every look writes the status, also where it says nothing new",
        file=f"{_CONTROL}/reconcile.py",
        old='if plan.status is None or plan.status == manifest.get("status"):',
        new="if plan.status is None:",
    ),
    Mutant(
        property="P6",
        what="every look dates all conditions anew",
        file="operator/hookgate/model/conditions.py",
        old="same = before is not None and before.get",
        new="same = False and before is not None and before.get",
    ),
    Mutant(
        property="P7",
        what="a binding keeps the answer that was first declared for inactive endpoints",
        file=f"{_CONTROL}/next_binding.py",
        old="inactive_response=spec.inactive_response,",
        new="inactive_response=before.inactive_response if before else spec.inactive_response,",
    ),
    Mutant(
        property="P7",
        what="a binding that says again what it once said has the same bytes again",
        file="operator/hookgate/model/binding.py",
        old='"edition": binding.edition,',
        new='"edition": 0,',
    ),
    Mutant(
        property="P8",
        what="a binding that was closed once stays closed",
        file=f"{_CONTROL}/next_binding.py",
        old="        active=active,\n",
        new="        active=active,\n        closed=before is not None and before.closed,\n",
    ),
    Mutant(
        property="P9",
        what="rotation requests are remembered as they are, however long",
        file=f"{_CONTROL}/keys.py",
        old="place: _short(value) for",
        new="place: value for",
    ),
    Mutant(
        property="P10",
        what="a binding that is garbage raises instead of counting as unreadable",
        file=f"{_CONTROL}/decide.py",
        old="    except UndecodableBinding:\n        return None, True",
        new="    except ZeroDivisionError:\n        return None, True",
    ),
    Mutant(
        property="P11",
        what="Reconciling stands beside Ready",
        file=f"{_CONTROL}/status.py",
        old="    if status is not Truth.TRUE:\n        terminal",
        new="    if True:\n        terminal",
    ),
    Mutant(
        property="P12",
        what="a route that was changed is not put right",
        file=f"{_CONTROL}/decide.py",
        old="if wanted is not None and keep is not None and objects.differs(wanted, keep):",
        new="if False and wanted is not None and keep is not None and objects.differs(wanted, keep):",
        tried=("--only", "Ingress in the system"),
    ),
    Mutant(
        property="P13",
        what="everybody is fought for ever",
        file=f"{_CONTROL}/repairs.py",
        old="MOST = 5\n",
        new="MOST = 5_000_000\n",
    ),
    Mutant(
        property="P14",
        what="whoever wakes an endpoint makes it forget that the server asked for time",
        file=f"{_CONTROL}/queue.py",
        old="if retry_after is not None:",
        new="if False and retry_after is not None:",
    ),
    Mutant(
        property="P14",
        what="a write that is refused for good is told to nobody",
        file=f"{_CONTROL}/reconcile.py",
        old="if error.refused:",
        new="if False and error.refused:",
        tried=("--only", "refused for good"),
    ),
    Mutant(
        property="P14",
        what="a namespace or kind that is missing counts as an old state",
        file=f"{_CONTROL}/apiserver.py",
        old='homeless = error.not_found and not meta(obj).get("uid")',
        new="homeless = False",
        tried=("--only", "refused for good"),
    ),
    Mutant(
        property="P15",
        what="what breaks kopf's watch ends the operator",
        file=f"{_CONTROL}/handlers.py",
        old="raise WatchBroken(type(error).__name__) from None",
        new="raise",
        tried=("--only", "ERROR 500"),
    ),
    Mutant(
        property="P15",
        what="a list after a gap does not take away what it lacks",
        file=f"{_CONTROL}/mirror.py",
        old="for key in [k for k in self._objects if k not in listed and namespace in (None, k[0])]:",
        new="for key in list[Key]():",
        tried=("--only", "history lost"),
    ),
    Mutant(
        property="P15",
        what="a resync whose list is refused ends the watch",
        file=f"{_KUBE}/reflector.py",
        old="        self._listed_at = self._clock()\n        try:\n            await self._relist()\n",
        new="        await self._relist()\n        try:\n            pass\n",
        tried=("--only", "lists of a resync refused"),
    ),
    Mutant(
        property="P16",
        what="writes do not ask whether this operator still leads",
        file=f"{_CONTROL}/operator.py",
        old="api.fenced(self._elector.leading)",
        new="api",
        tried=(),
    ),
    Mutant(
        property="P17",
        what="a referenced Secret is looked for in every namespace",
        file=f"{_CONTROL}/apiserver.py",
        old="return self._mirrors.referable.get(namespace, name)",
        new='return next((s for s in self._mirrors.referable if meta(s)["name"] == name), None)',
    ),
    Mutant(
        property="P18",
        what="what is written is logged",
        file=f"{_CONTROL}/apiserver.py",
        old="resource, mirror = self._kind(step.object)",
        new="resource, mirror = self._kind(step.object); print(step.object, flush=True)",
    ),
    Mutant(
        property="P19",
        what="what is left of endpoints that are gone is not swept up",
        file=f"{_CONTROL}/operator.py",
        old="return orphans(bindings, routes, living, namespaces)",
        new="return orphans((), (), living, namespaces)",
    ),
    Mutant(
        property="P19",
        what="the sweep ends at the first deletion that is refused",
        file=f"{_CONTROL}/sweeping.py",
        old="        except ClusterError as error:\n",
        new="        except ClusterError as error:\n            return swept\n",
        tried=("--only", "may not be swept up"),
    ),
    Mutant(
        property="P19",
        what="a receiver that cannot be reached counts as one that has let go",
        file=f"{_CONTROL}/fleet.py",
        old="counted = everybody if question.digest is None else reached",
        new="counted = reached",
        tried=("--only", "away for a while"),
    ),
    Mutant(
        property="P20",
        what="a route is marked with the version that made it, so that each version makes it anew",
        file=f"{_CONTROL}/routes.py",
        old="json.dumps(wanted, sort_keys=True).encode()",
        new='(__import__("hookgate").__version__ + json.dumps(wanted, sort_keys=True)).encode()',
    ),
    Mutant(
        property="P21",
        what="the operator is given a right that it does not need",
        file="manifests/base/rbac-operator.yaml",
        old="  resources: [webhookendpoints/status]\n  verbs: [patch]",
        new="  resources: [webhookendpoints/status]\n  verbs: [delete, patch]",
        tried=("--only", "webhookendpoints/status"),
    ),
    Mutant(
        property="P22",
        what="a receiver forgets its bindings when it cannot reach the API server",
        file=f"{_KUBE}/reflector.py",
        old="                failed, error = caught.reason != SILENT, caught\n",
        new="                failed, error = caught.reason != SILENT, caught\n"
        "                if caught.unreachable and self._on_replace is not None:\n"
        "                    self._on_replace([], '')\n",
    ),
    Mutant(
        property="P23",
        what="a binding of a newer version is read as if it were of this one",
        file="operator/hookgate/model/binding.py",
        old="        if version > VERSION:\n",
        new="        if version > VERSION + 1_000_000:\n",
    ),
)


def row(mutant: Mutant) -> str:
    """Return the row of DESIGN's table that tells of a mistake."""
    return f"| {mutant.property} | {mutant.what} | `{' '.join((mutant.property, *mutant.tried))}` |"


def main(wanted: list[str]) -> int:
    """Try the mutants of some properties, or all."""
    missed = 0
    for mutant in MUTANTS:
        if wanted and mutant.property not in wanted:
            continue
        began = time.monotonic()
        found, told = tried(mutant)
        missed += not found
        verdict = "found" if found else "NOT FOUND"
        seconds = time.monotonic() - began
        print(f"{mutant.property:4} {verdict:9} {seconds:5.0f} s  {mutant.what}\n       {told}", flush=True)
    return 1 if missed else 0


def tried(mutant: Mutant) -> tuple[bool, str]:
    """Make the mistake in a copy and run the suite there; return whether it was found, and the last failure."""
    with tempfile.TemporaryDirectory(prefix="hookgate-mutant-") as folder:
        copy = Path(folder)
        for part in _PARTS:
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        file = copy / mutant.file
        text = file.read_text(encoding="utf-8")
        if text.count(mutant.old) < 1:
            raise SystemExit(f"{mutant.property}: {mutant.file} no longer holds: {mutant.old}")
        file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": f"{copy / 'operator'}{os.pathsep}{copy}"}
        command = [sys.executable, "-m", "tests.faults", mutant.property, *mutant.tried, "--first"]
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    failures = [line for line in done.stdout.splitlines() if line.startswith(f"FAILED {mutant.property} ")]
    found = any(not line.startswith(f"FAILED {mutant.property} {BROKEN}:") for line in failures)
    return done.returncode == 1 and found, failures[-1][:600] if failures else done.stderr[-300:]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
