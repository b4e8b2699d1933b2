"""The table that receivers serve from: bindings by path and by uid, in an immutable snapshot that is swapped whole.

A reader takes what it needs in one lookup and is never disturbed by later changes. Everything that cannot be served
exactly as its binding says fails closed and for itself alone: a binding that cannot be read is dropped, one that cannot
be verified answers 503, and two that claim one path answer 503 both. Most endpoints rest: one that was not called of
late is kept as its binding, and prepared once more by its next call. This module may not know where bindings come from.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from hookgate.model.binding import Binding, NewerBinding, RetiredPath, UndecodableBinding, decode, digest
from hookgate.model.endpoint import PATH_PREFIX
from hookgate.model.networks import Networks
from hookgate.receiver.bucket import Bucket
from hookgate.receiver.circuit import Circuit
from hookgate.receiver.confirm import Confirm, compile_confirmation
from hookgate.receiver.forward import InvalidTarget, Target, forwarded, parse_target
from hookgate.receiver.identity import Identity
from hookgate.receiver.respond import Refusal, Reply, inactive, succeed
from hookgate.scheme.handshake import Handshake, compile_handshake
from hookgate.scheme.replay import Marker, compile_marker
from hookgate.scheme.request import Request, Verdict
from hookgate.scheme.verify import compile_verifier, credential_headers
from hookgate.scheme.ways import credential_in_query, success_responses

_log = logging.getLogger(__name__)

Verifier = Callable[[Request, float], Verdict]


class Trouble(StrEnum):
    """What can be wrong with a binding; the keys of `BindingTable.troubles`."""

    UNDECODABLE = "undecodable"
    WRONG_UID = "wrong-uid"
    NEWER = "newer"
    UNVERIFIABLE = "unverifiable"
    INVALID_TARGET = "invalid-target"
    CONTESTED_PATH = "contested-path"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One endpoint, ready to be served. ``path`` is what the request must ask for, byte for byte.

    ``refusal`` is set for an endpoint that takes no calls now; without one, ``verify`` and ``target`` are present.
    ``served`` tells whether the binding is in force exactly as written, which is what a confirmed digest means.
    ``credentials`` are the headers that carry the sender's secret; where it stands in the query, no query is passed on.
    ``claimants`` are the uids of a contested path. ``expires`` (unix seconds) is set for a path that was replaced;
    ``aliases`` are the entries of such paths beside their current one. ``handshake`` answers what the sender asks
    before it delivers; None where the scheme has nothing of the kind. ``circuit`` is what is known of the target's
    health, ``bucket`` what is left of its rate; both outlive a change of the binding that leaves target or rate alone.
    ``allowed`` is where calls may come from, None: from everywhere. ``forwarded`` and ``identity`` tell the target
    where the sender called, and who was authenticated. ``confirm`` finds in an authentic body the call by which the
    sender wants something confirmed; None where that is not wanted. ``successes`` are answers in place of a target's
    2xx, by the id of the key that verified the call. ``marker`` tells what a call is recognised by when it comes again;
    None where that does not matter. ``replay_required``: no call goes unremembered. ``raw`` is what all this was made
    of where it can be made again at any time, else empty.
    """

    uid: str
    digest: str
    path: bytes | None
    namespace: str = ""
    name: str = ""
    refusal: Refusal | None = None
    trouble: Trouble | None = None
    verify: Verifier | None = None
    handshake: Handshake | None = None
    confirm: Confirm | None = None
    successes: Mapping[str | None, Reply] = field(default_factory=dict)
    marker: Marker | None = None
    replay_required: bool = False
    target: Target | None = None
    credentials: frozenset[bytes] = frozenset()
    credential_in_query: bool = False
    max_body_bytes: int = 0
    claimants: tuple[str, ...] = ()
    expires: int | None = None
    aliases: tuple[Entry, ...] = ()
    max_in_flight: int | None = None
    allowed: Networks | None = None
    forwarded: tuple[tuple[bytes, bytes], ...] = ()
    identity: Identity | None = None
    bucket: Bucket | None = field(default=None, compare=False)
    circuit: Circuit = field(default_factory=Circuit, compare=False, repr=False)
    raw: bytes = field(default=b"", compare=False, repr=False)

    @property
    def served(self) -> bool:
        return self.trouble is None


class _Resting:
    """An endpoint that can be served, and was not called of late: its binding as it came takes a third of the memory.

    ``entry`` is what was prepared of it, for as long as it may be called again soon.
    """

    __slots__ = ("digest", "entry", "path", "raw", "uid")

    def __init__(self, of: Entry, entry: Entry | None = None) -> None:
        """Keep what the table asks of every endpoint, and what ``of`` was made of."""
        self.uid, self.digest, self.path, self.raw, self.entry = of.uid, of.digest, of.path, of.raw, entry

    @property
    def served(self) -> bool:
        return True

    @property
    def claimants(self) -> tuple[str, ...]:
        return ()

    @property
    def aliases(self) -> tuple[Entry, ...]:
        return ()


_Held = Entry | _Resting


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """Plain dictionaries, which copy fastest. Once they are in here, nothing changes but that the resting wake up."""

    by_path: dict[bytes, _Held]
    by_uid: dict[str, _Held]


def make_entry(raw: bytes, before: Entry | None = None) -> Entry:
    """Prepare one binding. Raises `UndecodableBinding`; with any other fault the entry accepts nothing.

    ``before`` is the endpoint as it was until now: what was learnt of it that is still so is taken over.
    """
    binding = decode(raw)
    path = None if binding.segment is None else (PATH_PREFIX + binding.segment).encode()
    if isinstance(binding, NewerBinding):
        return Entry(uid=binding.uid, digest=digest(raw), path=path, refusal=Refusal.UNUSABLE, trouble=Trouble.NEWER)
    entry = _make_entry(raw, binding, path)
    if before is not None:
        entry = _continued(entry, before)
    retired = () if binding.closed else binding.retired
    if not retired:
        # One without a verifier is small already, and what is left of a rate cannot be made again.
        return entry if entry.verify is None or entry.bucket is not None else replace(entry, raw=raw)
    return replace(entry, aliases=tuple(_alias(entry, binding, each) for each in retired))


def _alias(entry: Entry, binding: Binding, former: RetiredPath) -> Entry:
    """Return what serves a path that was replaced: whoever signs the URL signs the former one."""
    alias = replace(entry, path=(PATH_PREFIX + former.segment).encode(), expires=former.expires)
    if entry.verify is None or binding.url is None or binding.segment is None:
        return alias
    url = binding.url.removesuffix(binding.segment) + former.segment
    return replace(alias, verify=compile_verifier(binding.auth, binding.keys, url=url))


def _continued(entry: Entry, before: Entry) -> Entry:
    if before.target == entry.target:
        entry = replace(entry, circuit=before.circuit)
    if entry.bucket is not None and before.bucket is not None and before.bucket.rate == entry.bucket.rate:
        entry = replace(entry, bucket=before.bucket)
    return entry


def _make_entry(raw: bytes, binding: Binding, path: bytes | None) -> Entry:
    idle = Entry(
        uid=binding.uid,
        digest=digest(raw),
        path=None if binding.closed else path,  # a closed endpoint's path answers as an unknown one
        namespace=binding.namespace,
        name=binding.name,
        max_body_bytes=binding.max_body_bytes,
        max_in_flight=binding.max_in_flight,
        allowed=Networks(binding.allowed_networks) if binding.allowed_networks else None,
        bucket=Bucket(binding.rate) if binding.rate is not None else None,
    )
    if not binding.active:
        return replace(idle, refusal=inactive(binding))
    return _activate(idle, binding)


def _activate(idle: Entry, binding: Binding) -> Entry:
    try:
        target = parse_target(binding.target, binding.timeout_ms, binding.ca)
    except InvalidTarget as invalid:  # compiled, one name has one type
        _log.warning("binding %s: %s", binding.uid, invalid)
        return replace(idle, refusal=Refusal.UNUSABLE, trouble=Trouble.INVALID_TARGET)
    try:
        verify = compile_verifier(binding.auth, binding.keys, url=binding.url)
        handshake = compile_handshake(binding.auth, binding.keys)
        confirm = compile_confirmation(binding.auth, binding.keys)
        successes = success_responses(binding.auth, binding.keys)
        marker = compile_marker(binding.auth, binding.keys, binding.replay, nonce=binding.nonce)
        credentials = credential_headers(binding.auth)
        in_query = credential_in_query(binding.auth)
        signs = binding.forward_keys
        identity = Identity(binding.namespace, binding.name, signs) if signs else None
        told = forwarded(binding.url)
    except Exception as error:
        _log.warning("binding %s: auth or url cannot be used (%s)", binding.uid, type(error).__name__)
        return replace(idle, refusal=Refusal.UNUSABLE, trouble=Trouble.UNVERIFIABLE)
    return replace(
        idle,
        verify=verify,
        handshake=handshake,
        confirm=confirm,
        successes={key_id: succeed(wanted) for key_id, wanted in successes.items()},
        marker=marker,
        replay_required=binding.replay.required,
        target=target,
        credentials=credentials,
        credential_in_query=in_query,
        forwarded=told,
        identity=identity,
    )


class BindingTable:
    """All bindings of this receiver. Changed from one task; looked up from anywhere.

    A change copies two dictionaries, which at ten thousand endpoints is a fraction of a millisecond, and prepares only
    the changed entry. Every binding is prepared as it comes, so that what is wrong with it is known before any call.
    """

    def __init__(self) -> None:
        """Start empty and not loaded."""
        self._now = _Snapshot({}, {})
        self._lookup: Callable[[bytes], _Held | None] = self._now.by_path.get
        self._troubles = dict.fromkeys(Trouble, 0)
        self.loaded = False
        #: When (monotonic seconds) the origin of the bindings was last heard of; None while nobody can tell.
        self.heard_at: Callable[[], float | None] = lambda: None

    def __len__(self) -> int:
        return len(self._now.by_uid)

    def __contains__(self, uid: object) -> bool:
        return uid in self._now.by_uid

    @property
    def troubles(self) -> Mapping[Trouble, int]:
        """How often each kind of trouble was met since the start."""
        return MappingProxyType(self._troubles)

    def lookup(self, path: bytes) -> Entry | None:
        """Return the entry of a raw request path. Only exact bytes match, so no second spelling reaches an endpoint."""
        found = self._lookup(path)
        return self._wake(found) if isinstance(found, _Resting) else found

    def digest(self, uid: str) -> str | None:
        """Return the digest of the binding in force for ``uid``; None unless it is served exactly as written."""
        entry = self._now.by_uid.get(uid)
        if entry is None or not entry.served:
            return None
        if entry.path is not None and self._now.by_path.get(entry.path) is not entry:
            return None
        return entry.digest

    def put(self, uid: str, raw: bytes) -> None:
        """Bring the binding that its source holds under ``uid`` into force; if it is unreadable, take ``uid`` out."""
        entry = self._read(uid, raw)
        by_path, by_uid = self._now.by_path.copy(), self._now.by_uid.copy()
        self._drop(by_path, by_uid, uid)
        if entry is not None:
            self._add(by_path, by_uid, entry)
        self._swap(by_path, by_uid)

    def remove(self, uid: str) -> None:
        """Take ``uid`` out of force; an unknown one is no error."""
        if uid not in self._now.by_uid:
            return
        by_path, by_uid = self._now.by_path.copy(), self._now.by_uid.copy()
        self._drop(by_path, by_uid, uid)
        self._swap(by_path, by_uid)

    def replace(self, raws: Mapping[str, bytes]) -> None:
        """Bring exactly these bindings into force, by uid, and mark the table as loaded."""
        by_path: dict[bytes, _Held] = {}
        by_uid: dict[str, _Held] = {}
        for uid, raw in raws.items():
            entry = self._read(uid, raw)
            if entry is not None:
                self._add(by_path, by_uid, entry)
        self._swap(by_path, by_uid)
        self.loaded = True

    def rest(self) -> None:
        """Let endpoints rest that were not called since this was last called; to be called every few minutes."""
        by_path, by_uid = self._now.by_path.copy(), self._now.by_uid.copy()
        for uid, held in by_uid.items():
            if isinstance(held, _Resting):
                held.entry = None
            elif held.raw and held.path is not None and by_path.get(held.path) is held:
                by_uid[uid] = by_path[held.path] = _Resting(held, held)
        self._swap(by_path, by_uid)

    def _wake(self, resting: _Resting) -> Entry:
        """Prepare an endpoint for a call, as it was prepared to see that it can be."""
        entry = resting.entry
        if entry is None:
            made = make_entry(resting.raw)  # whose texts need not be there twice
            entry = replace(made, uid=resting.uid, path=resting.path, digest=resting.digest)
        assert entry.path is not None, "it was found by its path"
        self._now.by_path[entry.path] = self._now.by_uid[entry.uid] = entry
        return entry

    def _read(self, uid: str, raw: bytes) -> _Held | None:
        known = self._now.by_uid.get(uid)
        if known is not None and known.digest == digest(raw):
            return known
        awake = known.entry if isinstance(known, _Resting) else known
        try:
            entry = make_entry(raw, awake)
        except UndecodableBinding as error:
            self._reject(uid, Trouble.UNDECODABLE, str(error))
            return None
        except Exception as unforeseen:  # of one binding, which must not take the others along
            self._reject(uid, Trouble.UNDECODABLE, f"it cannot be prepared ({type(unforeseen).__name__})")
            return None
        if entry.uid != uid:
            self._reject(uid, Trouble.WRONG_UID, "uid: another one than the binding is kept under")
            return None
        if entry.trouble is not None:
            self._troubles[entry.trouble] += 1
        return _Resting(entry) if awake is None and entry.raw else entry

    def _reject(self, uid: str, trouble: Trouble, why: str) -> None:
        self._troubles[trouble] += 1
        _log.warning("binding %s dropped: %s", uid, why)

    def _add(self, by_path: dict[bytes, _Held], by_uid: dict[str, _Held], entry: _Held) -> None:
        by_uid[entry.uid] = entry
        for each in (entry, *entry.aliases):
            if each.path is not None:
                self._claim(by_path, each, each.path)

    def _claim(self, by_path: dict[bytes, _Held], entry: _Held, path: bytes) -> None:
        holder = by_path.get(path)
        if holder is None:
            by_path[path] = entry
            return
        self._troubles[Trouble.CONTESTED_PATH] += 1
        claimants = (*(holder.claimants or (holder.uid,)), entry.uid)
        _log.warning("bindings %s claim one path: none of them is served", ", ".join(claimants))
        by_path[path] = _contested(path, claimants)

    @staticmethod
    def _drop(by_path: dict[bytes, _Held], by_uid: dict[str, _Held], uid: str) -> None:
        entry = by_uid.pop(uid, None)
        if entry is None:
            return
        for path in (each.path for each in (entry, *entry.aliases) if each.path is not None):
            rest = tuple(u for u in by_path[path].claimants if u != uid)
            if not rest:
                del by_path[path]
            elif len(rest) == 1:
                heir = by_uid[rest[0]]
                by_path[path] = next(each for each in (heir, *heir.aliases) if each.path == path)
            else:
                by_path[path] = _contested(path, rest)

    def _swap(self, by_path: dict[bytes, _Held], by_uid: dict[str, _Held]) -> None:
        self._now = _Snapshot(by_path, by_uid)
        self._lookup = by_path.get


def _contested(path: bytes, claimants: tuple[str, ...]) -> Entry:
    return Entry(
        uid="",
        digest="",
        path=path,
        refusal=Refusal.UNUSABLE,
        trouble=Trouble.CONTESTED_PATH,
        claimants=claimants,
    )
