"""The senders' side, written a second time: one plain function for each preset, from the senders' pages.

Nothing here uses the project's interpreter or its data, so that agreement means something. A sender takes its secret,
a moment and gives the call as it goes over the wire.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from functools import cache
from urllib.parse import quote_plus

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

NOW = 1_700_000_000
URL = "https://hooks.example.com/h/abcdefghijklmnopqrstuvwxyz234567"
TEXT = b"It's a Secret to Everybody"
RAW = bytes(range(1, 33))
BODY = b'{"id": "evt_1", "type": "thing.made", "n": 1.50}'
FORM = b"From=%2B14158675309&Body=Hello+there%21&Digits=1234"
FORM_JOINED = b"BodyHello there!Digits1234From+14158675309"
ID = "msg_1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call, the secret as its owner stores it, and which header a signature covers beside the body."""

    headers: Mapping[str, str]
    secret: bytes = TEXT
    body: bytes = BODY
    query: bytes = b""
    signed_header: str | None = None
    time_header: str | None = None
    other: Mapping[str, str] = field(default_factory=dict)


def mac(message: bytes, key: bytes = TEXT, algorithm: str = "sha256") -> bytes:
    return hmac.new(key, message, getattr(hashlib, algorithm)).digest()


def hexed(message: bytes, key: bytes = TEXT, algorithm: str = "sha256") -> str:
    return mac(message, key, algorithm).hex()


def b64(message: bytes, key: bytes = TEXT, algorithm: str = "sha256") -> str:
    return base64.b64encode(mac(message, key, algorithm)).decode()


def body_in_hex(header: str, prefix: str = "", algorithm: str = "sha256") -> Call:
    return Call(headers={header: prefix + hexed(BODY, algorithm=algorithm)})


def body_in_base64(header: str, prefix: str = "") -> Call:
    return Call(headers={header: prefix + b64(BODY)})


def stripe_like(header: str, form: str, between: bytes = b".", scale: int = 1) -> Call:
    time = str(NOW * scale)
    return Call(headers={header: form.format(time=time, mac=hexed(time.encode() + between + BODY))})


def dotted(prefix: str, secret: bytes) -> Call:
    """Standard Webhooks: id, time and body joined with dots, keyed with decoded bytes."""
    signature = "v1," + b64(b"%s.%d." % (ID.encode(), NOW) + BODY, RAW)
    headers = {f"{prefix}-id": ID, f"{prefix}-timestamp": str(NOW), f"{prefix}-signature": signature}
    return Call(headers=headers, secret=secret, signed_header=f"{prefix}-id", time_header=f"{prefix}-timestamp")


def versioned(header: str, time_header: str, prefix: str = "v0=") -> Call:
    """Slack and those who followed: v0, time and body joined with colons."""
    signature = prefix + hexed(b"v0:%d:" % NOW + BODY)
    return Call(headers={header: signature, time_header: str(NOW)}, time_header=time_header)


def timed(header: str, time_header: str, signature: str, time: str) -> Call:
    return Call(headers={header: signature, time_header: time}, time_header=time_header)


@cache
def ed25519_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(RAW)


@cache
def p256_key() -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(RAW, "big"), ec.SECP256R1())


def raw_public() -> bytes:
    return ed25519_key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def discord() -> Call:
    signature = ed25519_key().sign(b"%d" % NOW + BODY).hex()
    call = timed("X-Signature-Ed25519", "X-Signature-Timestamp", signature, str(NOW))
    return Call(headers=call.headers, secret=raw_public().hex().encode(), time_header=call.time_header)


def standard_ed25519() -> Call:
    signed = ed25519_key().sign(b"%s.%d." % (ID.encode(), NOW) + BODY)
    headers = {
        "webhook-id": ID,
        "webhook-timestamp": str(NOW),
        "webhook-signature": "v1a," + base64.b64encode(signed).decode(),
    }
    secret = b"whpk_" + base64.b64encode(raw_public())
    return Call(headers=headers, secret=secret, signed_header="webhook-id", time_header="webhook-timestamp")


def sendgrid() -> Call:
    signed = p256_key().sign(b"%d" % NOW + BODY, ec.ECDSA(SHA256()))
    public = p256_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    name = "X-Twilio-Email-Event-Webhook-"
    headers = {name + "Signature": base64.b64encode(signed).decode(), name + "Timestamp": str(NOW)}
    return Call(headers=headers, secret=base64.b64encode(public), time_header=name + "Timestamp")


def url_and_form(header: str) -> Call:
    headers = {header: b64(URL.encode() + FORM_JOINED, algorithm="sha1")}
    return Call(headers=headers, body=FORM, other={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"})


def twilio_json() -> Call:
    query = "tenant=7&bodySHA256=" + hashlib.sha256(BODY).hexdigest()
    headers = {"X-Twilio-Signature": b64(f"{URL}?{query}".encode(), algorithm="sha1")}
    return Call(headers=headers, query=query.encode())


def hubspot() -> Call:
    """The query of the call is written with escapes; HubSpot signs it with some of them undone."""
    signed = f"POST{URL}?at=10:30&who=a@b%20c".encode() + BODY + b"%d" % (NOW * 1000)
    headers = {"X-HubSpot-Signature-V3": b64(signed), "X-HubSpot-Request-Timestamp": str(NOW * 1000)}
    return Call(headers=headers, query=b"at=10%3A30&who=a%40b%20c", time_header="X-HubSpot-Request-Timestamp")


def mailgun() -> Call:
    signature = {"timestamp": str(NOW), "token": "t" * 50, "signature": hexed(b"%d" % NOW + b"t" * 50)}
    return Call(headers={}, body=json.dumps({"signature": signature, "event-data": {"event": "opened"}}).encode())


def linear() -> Call:
    body = json.dumps({"action": "create", "webhookTimestamp": NOW * 1000}).encode()
    return Call(headers={"Linear-Signature": hexed(body), "Linear-Delivery": ID, "Linear-Event": "Issue"}, body=body)


def microsoft_graph() -> Call:
    changes = [{"clientState": TEXT.decode(), "resource": name} for name in ("a", "b")]
    return Call(headers={}, body=json.dumps({"value": changes}).encode())


def adyen() -> Call:
    signed = b"7914073381342284::TestMerchant:TestPayment-1407325143704:1130:EUR:AUTHORISATION:true"
    item = {
        "additionalData": {"hmacSignature": b64(signed, RAW)},
        "amount": {"value": 1130, "currency": "EUR"},
        "pspReference": "7914073381342284",
        "eventCode": "AUTHORISATION",
        "merchantAccountCode": "TestMerchant",
        "merchantReference": "TestPayment-1407325143704",
        "success": "true",
    }
    body = json.dumps({"notificationItems": [{"NotificationRequestItem": item}]}).encode()
    return Call(headers={}, body=body, secret=RAW.hex().encode())


def hex_keyed(header: str, algorithm: str = "sha256") -> Call:
    return Call(headers={header: hexed(BODY, RAW, algorithm)}, secret=RAW.hex().encode().upper())


def sinch() -> Call:
    name = "x-sinch-webhook-signature"
    headers = {name: b64(BODY + b".%s.%d" % (ID.encode(), NOW)), f"{name}-nonce": ID, f"{name}-timestamp": str(NOW)}
    return Call(headers=headers, signed_header=f"{name}-nonce", time_header=f"{name}-timestamp")


def twitch() -> Call:
    name, time = "Twitch-Eventsub-Message-", "2023-11-14T22:13:20.634234626Z"
    headers = {
        name + "Id": ID,
        name + "Timestamp": time,
        name + "Signature": "sha256=" + hexed(ID.encode() + time.encode() + BODY),
    }
    return Call(headers=headers, signed_header=name + "Id", time_header=name + "Timestamp")


def airtable() -> Call:
    headers = {"X-Airtable-Content-MAC": "hmac-sha256=" + hexed(BODY, RAW)}
    return Call(headers=headers, secret=base64.b64encode(RAW))


def teams() -> Call:
    return Call(headers={"Authorization": "HMAC " + b64(BODY, RAW)}, secret=base64.b64encode(RAW))


def sanity() -> Call:
    signature = base64.urlsafe_b64encode(mac(b"%d000." % NOW + BODY)).rstrip(b"=").decode()
    return Call(headers={"sanity-webhook-signature": f"t={NOW}000,v1={signature}", "idempotency-key": ID})


def box() -> Call:
    time = "2023-11-14T14:13:20-08:00"
    headers = {
        "Box-Signature-Primary": b64(BODY + time.encode(), b"the other key"),
        "Box-Signature-Secondary": b64(BODY + time.encode()),
        "Box-Delivery-Timestamp": time,
    }
    return Call(headers=headers, time_header="Box-Delivery-Timestamp")


def docusign() -> Call:
    return Call(headers={"X-DocuSign-Signature-1": b64(BODY, b"the other key"), "X-DocuSign-Signature-12": b64(BODY)})


def zendesk() -> Call:
    time = "2023-11-14T22:13:20Z"
    name = "X-Zendesk-Webhook-Signature"
    call = timed(name, name + "-Timestamp", b64(time.encode() + BODY, base64.b64encode(RAW)), time)
    return Call(headers=call.headers, secret=base64.b64encode(RAW), time_header=call.time_header)


def klaviyo() -> Call:
    time = formatdate(NOW, usegmt=True)
    return timed("Klaviyo-Signature", "Klaviyo-Timestamp", hexed(BODY + time.encode()), time)


def recurly() -> Call:
    old, new = (hexed(b"%d000." % NOW + BODY, key) for key in (b"the other key", TEXT))
    return Call(headers={"recurly-signature": f"{NOW}000,{old},{new}"})


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def certificate() -> bytes:
    """A certificate of the key's own, as SNS publishes one."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    return (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=rsa_key().public_key(), serial_number=1)
        .not_valid_before(datetime.fromtimestamp(NOW, UTC))
        .not_valid_after(datetime.fromtimestamp(NOW + 86_400, UTC))
        .sign(rsa_key(), SHA256())
        .public_bytes(Encoding.PEM)
    )


def sns_message(hashed: SHA1 | SHA256, members: Mapping[str, str]) -> bytes:
    """A message of SNS: its signed members in alphabetical order, each name and value on a line."""
    lines = "".join(f"{name}\n{members[name]}\n" for name in sorted(members))
    signature = base64.b64encode(rsa_key().sign(lines.encode(), padding.PKCS1v15(), hashed)).decode()
    unsigned = {
        "SignatureVersion": "2",
        "Signature": signature,
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/x",
    }
    return json.dumps({**members, **unsigned}).encode()


SNS_MEMBERS = {
    "Type": "Notification",
    "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
    "TopicArn": "arn:aws:sns:eu-west-1:123456789012:orders",
    "Subject": "An order",
    "Message": "of two lines,\nthe second of which says Type",
    "Timestamp": "2023-11-14T22:13:20.123Z",
}


def aws_sns(hashed: SHA1 | SHA256) -> Call:
    return Call(headers={}, body=sns_message(hashed, SNS_MEMBERS), secret=certificate())


def token(header: str, prefix: str = "") -> Call:
    return Call(headers={header: prefix + TEXT.decode()})


def adobe_sign() -> Call:
    return token("X-AdobeSign-ClientId")


def braintree() -> Call:
    """Two signatures, of which the second is ours; the payload ends in a line's end, as encoders of base64 make it."""
    payload = base64.encodebytes(BODY)
    keys = (b"the other key", TEXT)
    signed = "&".join(f"pub{n}|{hexed(payload, hashlib.sha1(key).digest(), 'sha1')}" for n, key in enumerate(keys))
    return Call(
        headers={},
        body=f"bt_signature={quote_plus(signed)}&bt_payload={quote_plus(payload)}".encode(),
        other={"Content-Type": "application/x-www-form-urlencoded"},
    )


SENDERS: Mapping[str, Callable[[], Call]] = {
    "adobe-sign": adobe_sign,
    "adyen": adyen,
    "adyen-platform": lambda: Call(headers={"HmacSignature": b64(BODY, RAW)}, secret=RAW.hex().encode()),
    "airtable": airtable,
    "alertmanager": lambda: token("Authorization", "Bearer "),
    "asana": lambda: body_in_hex("X-Hook-Signature"),
    "auth0": lambda: token("Authorization"),
    "aws-sns": lambda: aws_sns(SHA256()),
    "aws-sns-v1": lambda: aws_sns(SHA1()),
    "bitbucket": lambda: body_in_hex("X-Hub-Signature", "sha256="),
    "bitbucket-server": lambda: body_in_hex("X-Hub-Signature", "sha256="),
    "box": box,
    "braintree": braintree,
    "buildkite": lambda: stripe_like("X-Buildkite-Signature", "timestamp={time},signature={mac}"),
    "buildkite-token": lambda: token("X-Buildkite-Token"),
    "cal-com": lambda: body_in_hex("X-Cal-Signature-256"),
    "calendly": lambda: stripe_like("Calendly-Webhook-Signature", "t={time},v1={mac}"),
    "circleci": lambda: body_in_hex("circleci-signature", "v1="),
    "clickup": lambda: body_in_hex("X-Signature"),
    "cloudflare-stream": lambda: stripe_like("Webhook-Signature", "time={time},sig1={mac}"),
    "cloudevents": lambda: token("Authorization", "Bearer "),
    "customer-io": lambda: versioned("X-CIO-Signature", "X-CIO-Timestamp", ""),
    "discord": discord,
    "docusign": docusign,
    "dropbox": lambda: body_in_hex("X-Dropbox-Signature"),
    "event-grid": lambda: Call(headers={}, secret=TEXT, query=b"code=" + quote_plus(TEXT).encode()),
    "forgejo": lambda: body_in_hex("X-Forgejo-Signature"),
    "front": lambda: timed("X-Front-Signature", "X-Front-Request-Timestamp", b64(b"%d000:" % NOW + BODY), f"{NOW}000"),
    "gitea": lambda: body_in_hex("X-Gitea-Signature"),
    "github": lambda: body_in_hex("X-Hub-Signature-256", "sha256="),
    "gitlab": lambda: token("X-Gitlab-Token"),
    "gitlab-signing": lambda: dotted("webhook", b"whsec_" + base64.b64encode(RAW)),
    "gocardless": lambda: body_in_hex("Webhook-Signature"),
    "gogs": lambda: body_in_hex("X-Gogs-Signature"),
    "grafana": lambda: body_in_hex("X-Grafana-Alerting-Signature"),
    "harbor": lambda: token("Authorization"),
    "heroku": lambda: body_in_base64("Heroku-Webhook-Hmac-SHA256"),
    "hubspot": hubspot,
    "intercom": lambda: body_in_hex("X-Hub-Signature", "sha1=", "sha1"),
    "jira": lambda: body_in_hex("X-Hub-Signature", "sha256="),
    "klaviyo": klaviyo,
    "launchdarkly": lambda: body_in_hex("X-LD-Signature"),
    "lemonsqueezy": lambda: body_in_hex("X-Signature"),
    "linear": linear,
    "linkedin": lambda: Call(headers={"X-LI-Signature": hexed(b"hmacsha256=" + BODY)}),
    "mailgun": mailgun,
    "mandrill": lambda: url_and_form("X-Mandrill-Signature"),
    "meta": lambda: body_in_hex("X-Hub-Signature-256", "sha256="),
    "microsoft-graph": microsoft_graph,
    "mux": lambda: stripe_like("Mux-Signature", "t={time},v1={mac}"),
    "nexus": lambda: body_in_hex("X-Nexus-Webhook-Signature", algorithm="sha1"),
    "notion": lambda: body_in_hex("X-Notion-Signature", "sha256="),
    "nylas": lambda: body_in_hex("X-Nylas-Signature"),
    "okta": lambda: token("Authorization"),
    "onfleet": lambda: hex_keyed("X-Onfleet-Signature", "sha512"),
    "paddle": lambda: stripe_like("Paddle-Signature", "ts={time};h1={mac}", b":"),
    "pagerduty": lambda: Call(headers={"X-PagerDuty-Signature": f"v1={hexed(BODY, b'other')},v1={hexed(BODY)}"}),
    "paystack": lambda: body_in_hex("x-paystack-signature", algorithm="sha512"),
    "pusher": lambda: body_in_hex("X-Pusher-Signature"),
    "quickbooks": lambda: body_in_base64("intuit-signature"),
    "razorpay": lambda: body_in_hex("X-Razorpay-Signature"),
    "recurly": recurly,
    "sanity": sanity,
    "sendgrid": sendgrid,
    "sentry": lambda: body_in_hex("Sentry-Hook-Signature"),
    "shopify": lambda: body_in_base64("X-Shopify-Hmac-Sha256"),
    "sinch": sinch,
    "slack": lambda: versioned("X-Slack-Signature", "X-Slack-Request-Timestamp"),
    "snyk": lambda: body_in_hex("X-Hub-Signature", "sha256="),
    "square": lambda: Call(headers={"x-square-hmacsha256-signature": b64(URL.encode() + BODY)}),
    "squarespace": lambda: hex_keyed("Squarespace-Signature"),
    "standard-webhooks": lambda: dotted("webhook", b"whsec_" + base64.b64encode(RAW).rstrip(b"=")),
    "standard-webhooks-ed25519": standard_ed25519,
    "stripe": lambda: stripe_like("Stripe-Signature", "t={time},v1={mac},v0=6ffbb59b2300aae63f27240606"),
    "svix": lambda: dotted("svix", b"whsec_" + base64.b64encode(RAW)),
    "teams": teams,
    "telegram": lambda: token("X-Telegram-Bot-Api-Secret-Token"),
    "terraform-cloud": lambda: body_in_hex("X-TFE-Notification-Signature", algorithm="sha512"),
    "trello": lambda: Call(headers={"X-Trello-Webhook": b64(BODY + URL.encode(), algorithm="sha1")}),
    "twilio": lambda: url_and_form("X-Twilio-Signature"),
    "twilio-json": twilio_json,
    "twitch": twitch,
    "typeform": lambda: body_in_base64("Typeform-Signature", "sha256="),
    "vercel": lambda: body_in_hex("x-vercel-signature", algorithm="sha1"),
    "webflow": lambda: timed("x-webflow-signature", "x-webflow-timestamp", hexed(b"%d000:" % NOW + BODY), f"{NOW}000"),
    "woocommerce": lambda: body_in_base64("X-WC-Webhook-Signature"),
    "workos": lambda: stripe_like("WorkOS-Signature", "t={time}, v1={mac}", scale=1000),
    "x": lambda: body_in_base64("x-twitter-webhooks-signature", "sha256="),
    "xero": lambda: body_in_base64("x-xero-signature"),
    "zendesk": zendesk,
    "zoom": lambda: versioned("x-zm-signature", "x-zm-request-timestamp"),
}
