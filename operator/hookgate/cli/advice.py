"""What to do about a refused call, by its reason: the one table that `hookgate explain` speaks from.

A test holds that it knows every reason that a receiver can have. ``{name}`` and ``{namespace}`` are the endpoint's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """``happened`` in a sentence, and what to check, the likeliest first."""

    happened: str
    check: tuple[str, ...]


_URL = "Give the sender the URL of `hookgate url {name} -n {namespace}`, whole and unchanged."
_KEY = "Give the sender the secret of `hookgate secret {name} -n {namespace}`, without spaces, line breaks or quotes."
_SCHEME = (
    "Compare spec.auth with the sender's documentation: header, prefix, encoding, algorithm. "
    "`hookgate providers` lists the senders that are known by name."
)
_PROXY = "See what stands between sender and receiver: a proxy must pass headers and body on unchanged."
_LATER = "Well-behaved senders try again by themselves; `hookgate get {name} -n {namespace}` tells when it is mended."
_SLOW = "See whether the target is slow: calls that wait for it take the places of others."
_STATE = "If calls are wanted: `hookgate activate {name} -n {namespace}`."

ADVICE: Final[Mapping[str, Advice]] = MappingProxyType(
    {
        # State
        "unknown-path": Advice(
            happened="The endpoint is not active and answers as if it did not exist (spec.inactiveResponse: 404).",
            check=(_STATE,),
        ),
        "starting": Advice(
            happened="The receiver had not loaded its endpoints yet and did not know this one.",
            check=("Send calls to receivers that are ready: see readiness probe and Service.",),
        ),
        "gone": Advice(
            happened="The endpoint is not active and tells senders to forget it (spec.inactiveResponse: 410).",
            check=(_STATE, "Many senders never try again after a 410: look whether the webhook is still set up there."),
        ),
        "inactive": Advice(
            happened="The endpoint is not active (spec.state, or the annotation hookgate.dev/suspend).", check=(_STATE,)
        ),
        # Address
        "address-not-allowed": Advice(
            happened="The call came from an address that spec.limits.allowCIDRs does not list.",
            check=(
                "Compare spec.limits.allowCIDRs with the addresses that the sender publishes; they change at times.",
                "If every call is refused: receivers see the address of the proxy in front of them. The platform "
                "team says which proxies are believed, in receiver.trustedProxies of hookgate.yaml.",
                "Or it was not the sender at all: whoever knows the URL can call it, and is refused like this.",
            ),
        ),
        # Request
        "malformed": Advice(
            happened="The request was not plain HTTP, or the sender hung up before the body was complete.",
            check=(
                "Exactly one Host header, and a body with a length or in chunks: compressed or otherwise coded bodies "
                "are refused, because their bytes could not be verified.",
                "If it happens now and then only: the sender's own timeout is too short for its way here.",
            ),
        ),
        "wrong-method": Advice(
            happened="The call was no POST.",
            check=(
                "Some senders first ask with GET or HEAD whether the URL exists; if that has to work, see the sender's "
                "documentation for a way around it.",
                "A redirect on the way turns POST into GET: let the sender call the https URL directly. " + _URL,
            ),
        ),
        # Size, load, body
        "body-too-large": Advice(
            happened="The body is larger than spec.limits.maxBodyBytes, or than what the platform allows at most.",
            check=("Raise spec.limits.maxBodyBytes, or let the sender send less.",),
        ),
        "overload": Advice(
            happened="The receiver had too many calls, or too many bytes of bodies, under way for all endpoints.",
            check=("More receivers, or more memory for them.", _SLOW, _LATER),
        ),
        "endpoint-busy": Advice(
            happened="This endpoint had too many calls, or too many bytes of bodies, under way at once. None gets "
            "more of a receiver than is still free for the others.",
            check=(
                _SLOW,
                "If calls come in slowly, or none of them is authentic: somebody else than the sender knows the URL; "
                "give it a new one with `hookgate rotate {name} -n {namespace} --url`.",
                _LATER,
            ),
        ),
        "body-too-slow": Advice(
            happened="The body did not arrive in time.",
            check=("See whether the network between sender and receiver loses packets.", _PROXY),
        ),
        # Configuration
        "unusable": Advice(
            happened="The receiver cannot serve the endpoint as it is configured.",
            check=("See `hookgate get {name} -n {namespace}` and the receiver's log.",),
        ),
        "no-usable-key": Advice(
            happened="There is no secret to verify with: none is there yet, all have ended, or none fits the scheme.",
            check=(
                "See `hookgate get {name} -n {namespace}`: which Secret is missing or unusable stands there.",
                "After a rotation the older secret ends; the current one has to be in the Secret that is referenced.",
            ),
        ),
        "missing-context": Advice(
            happened="The scheme signs the URL, and the endpoint has none yet.",
            check=("Wait until `hookgate get {name} -n {namespace}` shows a URL, and give that one to the sender.",),
        ),
        # Authenticity
        "missing-credential": Advice(
            happened="The call does not carry what proves who sent it.",
            check=(
                "Set the secret at the sender: many sign only if one is set.",
                _SCHEME,
                _PROXY,
                "Or it was not the sender at all: whoever knows the URL can call it, and is refused like this.",
            ),
        ),
        "duplicate-credential": Advice(
            happened="What proves the sender stands in the call twice, and choosing one would be a guess.",
            check=(_PROXY, "Set up the webhook only once at the sender."),
        ),
        "wrong-prefix": Advice(
            happened="What should prove the sender does not begin with the scheme's prefix, such as sha256= or Bearer.",
            check=(
                "Compare prefix in spec.auth with what the sender sends: case and a space at its end count.",
                _SCHEME,
                "Some senders have an older and a newer form of signature to choose from.",
            ),
        ),
        "malformed-credential": Advice(
            happened="What should prove the sender is of another form than the scheme's: another encoding or list.",
            check=(_SCHEME, "Some senders have an older and a newer form of signature to choose from."),
        ),
        "wrong-credential": Advice(
            happened="Signature or token do not match. A wrong secret and a body that was altered on its way look the "
            "same from here.",
            check=(
                _KEY,
                "After a rotation: the sender may still use an older secret that has ended.",
                "If the secret is right: " + _PROXY[0].lower() + _PROXY[1:],
                _SCHEME,
            ),
        ),
        "foreign-token": Advice(
            happened=(
                "The token or message is genuine, but not for this endpoint: its issuer, audience, topic or a claim is "
                "another one."
            ),
            check=(
                "Compare iss, aud and the claims of a token with issuer, audiences and claims of spec.auth.jwt; they "
                "have to be equal to the letter.",
                "Set the audience at the sender to one of spec.auth.jwt.audiences.",
                "Of a message of Amazon SNS: add its topic to spec.auth.signature.sns.topics, if it is one of yours.",
            ),
        ),
        "unauthentic": Advice(happened="The call could not be authenticated.", check=(_KEY, _SCHEME)),
        "forbidden": Advice(
            happened="The sender asked for a handshake, as some do before they deliver, and its word did not match.",
            check=(
                "Give the sender the verify token that belongs to the endpoint, and the origin that it is to name.",
                _SCHEME,
            ),
        ),
        "stale": Advice(
            happened="The signature is right, but the call was signed too long ago or in the future.",
            check=(
                "Compare the clocks of sender and receiver (NTP); CLOCK shows by how much the signed time differs.",
                "If only some calls are late: the sender queues them, or repeats old ones without signing them anew.",
                "If nothing else explains it, somebody may be replaying calls that were overheard.",
            ),
        ),
        "unreadable-body": Advice(
            happened="The signature covers parts of the body, and the body is not of the form that has them.",
            check=("Set the content type at the sender: a form or JSON, as its documentation says.", _SCHEME, _PROXY),
        ),
        # Replay
        "in-flight": Advice(
            happened="The call was authentic, but the same one was still under way to the target.",
            check=(
                "The sender repeats calls before they are answered: see whether the target is slow. " + _LATER,
                "If it lasts for a minute: a receiver that ended in the middle of a call leaves it claimed.",
            ),
        ),
        "replay-store": Advice(
            happened="The call was authentic, but it could not be remembered, so that a repetition would get by.",
            check=(
                "If spec.replay.required is set: the store that receivers share (replay.store of hookgate.yaml) may be "
                "away; see the receivers' log and their metric hookgate_receiver_replay_store_up.",
                "Else the receiver's memory for calls is full: more receivers, or a shared store.",
                _LATER,
            ),
        ),
        # Rate
        "rate-limited": Advice(
            happened="The call was authentic, but came earlier than the endpoint's rate allows (spec.limits.rate, or "
            "that of the platform).",
            check=(
                "Well-behaved senders wait as long as Retry-After says. If more calls are meant to come: raise "
                "spec.limits.rate, or its burst.",
                "Each receiver counts for itself, so that more receivers take more.",
            ),
        ),
        # Target
        "target-unreachable": Advice(
            happened="The call was authentic, but the target takes no connections.",
            check=(
                "See whether the target runs, and whether its Service has ready pods and the port of spec.target.",
                "See whether a NetworkPolicy lets the receivers through to it.",
            ),
        ),
        "target-address-denied": Advice(
            happened="The call was authentic, but the target's name leads only to addresses that no target may have: "
            "this host, link-local ones, metadata services, the API server, what the platform denies.",
            check=(
                "See what the target's name resolves to in the receivers' cluster.",
                "If it is a Service without a selector: its addresses are those of EndpointSlices made by hand.",
                "The platform team sees in targets.deny of hookgate.yaml what else is denied.",
            ),
        ),
        "target-untrusted": Advice(
            happened="The call was authentic, but the target's certificate could not be verified.",
            check=(
                "See whether it has expired, whether it is for the host that spec.target names, and whether the target "
                "speaks TLS at all.",
                "If a CA of your own issued it: name that in spec.target.ca; without one those of the system count.",
            ),
        ),
        "target-down": Advice(
            happened="The call was authentic, but the target has failed several times in a row, and is asked only now "
            "and then until it answers again.",
            check=(
                "See whether the target runs, and how the calls before these ended: target-unreachable or "
                "target-timeout.",
                "Nothing has to be reset here: the first answer ends this, half a minute after the target is back at "
                "the latest.",
                _LATER,
            ),
        ),
        "confirmation-failed": Advice(
            happened="Amazon SNS wanted a subscription to be confirmed, and the call for that did not succeed.",
            check=(
                "Receivers need a way out to sns.REGION.amazonaws.com on port 443: see network policies and proxies.",
                "The sender asks again by itself; after three days it has to be told to.",
            ),
        ),
        "target-timeout": Advice(
            happened="The call was authentic, but the target did not answer in time (spec.target.timeout).",
            check=(
                "Let the target answer at once and work afterwards: senders wait only a few seconds, too.",
                "Raise spec.target.timeout if the target needs the time.",
            ),
        ),
        "target-failed": Advice(
            happened="The call was authentic, but the target answered with an error, or with a redirect.",
            check=(
                "See the target's own log.",
                "Redirects are not followed: name the final place in spec.target.",
            ),
        ),
        "target-answer-too-large": Advice(
            happened="The call was authentic, but the target's answer is larger than the receiver passes on, or "
            "too many large answers of that target were under way at once.",
            check=("Let the target answer with a short text; senders do not read more.",),
        ),
        # Receiver
        "internal": Advice(
            happened="The receiver failed on this call, which is a defect of Hookgate.",
            check=("See the receiver's log for the kind of error, and report it.", _LATER),
        ),
    }
)

#: For a reason of a newer receiver than this command.
UNKNOWN: Final = Advice(
    happened="This command does not know this reason; the receiver is newer.", check=("Update the command line.",)
)
#: For an endpoint that nobody called.
NEVER_CALLED: Final = (
    _URL,
    "See whether the sender reports an error of DNS or TLS: such calls never get here.",
    "See whether the route is there: `hookgate get {name} -n {namespace}`, and the condition Exposed.",
)
