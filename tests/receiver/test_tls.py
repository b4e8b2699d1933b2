"""TLS at the public listener: real handshakes, files that change under open connections, client certificates."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hookgate.receiver import tls
from hookgate.receiver.clients import Trust
from hookgate.receiver.edge import Bound
from hookgate.receiver.settings import Edge
from hookgate.receiver.tls import Certificates, InvalidTls, TlsFiles
from tests.kube.pki import Authority
from tests.receiver.rig import House, bounds, closed, read_answer, request, settings, signature

BODY = b'{"n":1}'
SIGNED = [(b"X-Signature", signature(BODY))]


class Place:
    """A folder with the receiver's files, and the authorities behind them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.authority = folder, Authority(folder)
        self.files = TlsFiles(certificate=folder / "tls.crt", key=folder / "tls.key")
        self.renew()

    def renew(self, authority: Authority | None = None) -> None:
        """Put a new certificate and key where the receiver looks."""
        for made, file in zip((authority or self.authority).issue("hooks"), self.files.all, strict=False):
            shutil.copy(made, file)

    def other(self) -> Authority:
        """Return another authority."""
        folder = self.folder / "other"
        folder.mkdir(exist_ok=True)
        return Authority(folder)

    def context(self, *, identity: Authority | None = None) -> ssl.SSLContext:
        """Return a sender's context that trusts the authority, with a certificate of ``identity``."""
        context = ssl.create_default_context(cafile=self.authority.ca_file)
        if identity is not None:
            context.load_cert_chain(*identity.issue("sender"))
        return context


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Files of a receiver."""
    return Place(tmp_path)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the files often."""
    monkeypatch.setattr(Certificates.follow, "__defaults__", (0.02,))


@contextlib.contextmanager
def secured(edge: Edge, files: TlsFiles, **changes: object) -> Iterator[House]:
    """Run a receiver over TLS."""
    with House(settings(edge=edge, tls=files, **changes)).running() as house:
        yield house


def connect(house: House, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Open a secure connection."""
    return context.wrap_socket(house.connect(), server_hostname="hooks")


def serial(connection: ssl.SSLSocket) -> object:
    """Return the serial number of the certificate that was shown."""
    shown = connection.getpeercert()
    assert shown is not None
    return shown["serialNumber"]


def test_a_call_over_tls_is_verified_and_delivered(place: Place, edge: Edge) -> None:
    with secured(edge, place.files) as house, connect(house, place.context()) as connection:
        endpoint = house.endpoint()
        for _ in range(3):
            connection.sendall(request(endpoint.path, BODY, SIGNED))
            assert read_answer(connection).status == 202
        assert [seen.body for seen in endpoint.seen] == [BODY] * 3


def test_a_large_body_in_pieces_arrives_whole(place: Place, edge: Edge) -> None:
    body = bytes(range(256)) * 4000
    with secured(edge, place.files) as house, connect(house, place.context()) as connection:
        endpoint = house.endpoint(max_body_bytes=len(body))
        connection.sendall(request(endpoint.path, body, [(b"X-Signature", signature(body))]))
        assert read_answer(connection).status == 202
        assert endpoint.seen[0].body == body


def test_an_answer_that_ends_the_connection_arrives_although_the_body_still_comes(place: Place, edge: Edge) -> None:
    with secured(edge, place.files) as house, connect(house, place.context()) as connection:
        endpoint = house.endpoint(max_body_bytes=10)
        connection.sendall(request(endpoint.path, b"x" * 300_000, SIGNED))
        assert read_answer(connection).status == 413


def test_what_is_said_in_the_clear_gets_no_answer(place: Place, edge: Edge) -> None:
    with secured(edge, place.files) as house:
        endpoint = house.endpoint()
        with house.connect() as connection:
            connection.sendall(request(endpoint.path, BODY, SIGNED))
            assert b"HTTP" not in b"".join(_rest(connection))
        assert endpoint.seen == []


def _rest(connection: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(4096):
            yield piece


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken(place: Place, edge: Edge, version: ssl.TLSVersion) -> None:
    context = place.context()
    context.minimum_version = context.maximum_version = version
    with secured(edge, place.files) as house, connect(house, context) as connection:
        connection.sendall(request("/h/nobody", b""))
        assert read_answer(connection).status == 404


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_older_versions_are_not_spoken(place: Place, edge: Edge) -> None:
    context = place.context()
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with secured(edge, place.files) as house, pytest.raises(ssl.SSLError):
        connect(house, context)


def test_a_new_certificate_is_shown_to_new_connections_and_an_open_one_goes_on(place: Place, edge: Edge) -> None:
    with secured(edge, place.files) as house, connect(house, place.context()) as before:
        endpoint = house.endpoint()
        before.sendall(request(endpoint.path, BODY, SIGNED))
        assert read_answer(before).status == 202
        place.renew()

        def renewed() -> bool:
            with connect(house, place.context()) as after:
                return serial(after) != serial(before)

        until(renewed)
        before.sendall(request(endpoint.path, BODY, SIGNED))
        assert read_answer(before).status == 202


def test_calls_on_kept_and_on_new_connections_go_through_while_certificates_change(place: Place, edge: Edge) -> None:
    statuses: list[int] = []
    over = threading.Event()

    def keep_calling(house: House, path: str) -> None:
        with connect(house, place.context()) as kept:
            while not over.is_set():
                kept.sendall(request(path, BODY, SIGNED))
                statuses.append(read_answer(kept).status)
                with connect(house, place.context()) as new:
                    new.sendall(request(path, BODY, SIGNED))
                    statuses.append(read_answer(new).status)

    with secured(edge, place.files) as house:
        path = house.endpoint().path
        callers = [threading.Thread(target=keep_calling, args=(house, path)) for _ in range(4)]
        for caller in callers:
            caller.start()
        try:
            for _ in range(5):
                known = len(statuses)
                place.renew()
                until(lambda known=known: len(statuses) > known + 40)
        finally:
            over.set()
            for caller in callers:
                caller.join()
    assert len(statuses) >= 200
    assert set(statuses) == {202}


def test_files_that_do_not_fit_together_change_nothing_until_they_do(
    place: Place, edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    with secured(edge, place.files) as house, connect(house, place.context()) as before:
        good = place.files.key.read_bytes()
        place.files.key.write_bytes(place.authority.issue("stranger")[1].read_bytes())
        until(lambda: "what was in force before stays so" in caplog.text)
        with connect(house, place.context()) as meanwhile:
            assert serial(meanwhile) == serial(before)
        place.renew()
        until(lambda: _shown(house, place) != serial(before))
    assert good.splitlines()[1].decode() not in caplog.text


def _shown(house: House, place: Place) -> object:
    with connect(house, place.context()) as connection:
        return serial(connection)


def until(condition: object) -> None:
    """Wait for a condition outside the receiver's loop."""
    assert callable(condition)
    for _ in range(2000):
        if condition():
            return
        threading.Event().wait(0.02)
    raise AssertionError("the condition never held")


# Client certificates.


def answered(house: House, context: ssl.SSLContext, path: str) -> int | None:
    """Call once on a new connection; None where there is no connection to be had."""
    try:
        with connect(house, context) as connection:
            connection.sendall(request(path, BODY, SIGNED))
            return read_answer(connection).status
    except (OSError, AssertionError):  # in TLS 1.3 the refusal comes where an answer is awaited
        return None


def test_a_client_certificate_is_one_more_condition(place: Place, edge: Edge) -> None:
    files = replace(place.files, client_ca=place.authority.ca_file)
    with secured(edge, files) as house:
        endpoint = house.endpoint()
        assert answered(house, place.context(identity=place.authority), endpoint.path) == 202
        for without in (place.context(), place.context(identity=place.other())):
            assert answered(house, without, endpoint.path) is None
        with connect(house, place.context(identity=place.authority)) as connection:
            connection.sendall(request(endpoint.path, BODY))
            assert read_answer(connection).status == 401
        assert len(endpoint.seen) == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_authority_that_is_taken_away_vouches_for_nobody_any_more_not_even_in_a_resumed_session(
    place: Place, edge: Edge, version: ssl.TLSVersion
) -> None:
    context = place.context(identity=place.authority)
    context.minimum_version = context.maximum_version = version
    trusted = place.folder / "clients.crt"
    shutil.copy(place.authority.ca_file, trusted)
    with secured(edge, replace(place.files, client_ca=trusted)) as house:
        endpoint = house.endpoint()
        with connect(house, context) as connection:
            connection.sendall(request(endpoint.path, BODY, SIGNED))
            assert read_answer(connection).status == 202
            session = connection.session
        shutil.copy(place.other().ca_file, trusted)
        until(lambda: answered(house, place.context(identity=place.authority), endpoint.path) is None)
        count = len(endpoint.seen)
        with contextlib.suppress(OSError, AssertionError):
            raw = house.connect()
            with context.wrap_socket(raw, server_hostname="hooks", session=session) as resumed:
                resumed.sendall(request(endpoint.path, BODY, SIGNED))
                read_answer(resumed)
        house.until(lambda: house.receiver.load.calls == 0)
        assert len(endpoint.seen) == count


# What may be wrong with a handshake or with files.


def test_a_handshake_that_does_not_come_is_given_up_and_counted(place: Place, edge: Edge) -> None:
    with secured(edge, place.files, bounds=bounds(head_seconds=0.1)) as house:
        with house.connect() as silent, house.connect() as stuck:
            stuck.sendall(b"\x16\x03\x01")
            assert closed(silent)
            assert closed(stuck)
        text = house.get("/metrics", private=True).body.decode()
    assert f'hookgate_receiver_rejected_total{{limit="{Bound.TLS_HANDSHAKE}"}} 2.0' in text


def test_half_open_handshakes_are_bounded_and_leave_established_connections_alone(place: Place, edge: Edge) -> None:
    with (
        secured(edge, place.files, bounds=bounds(connections=3, head_seconds=60)) as house,
        connect(house, place.context()) as good,
        contextlib.ExitStack() as held,
    ):
        endpoint = house.endpoint()
        for _ in range(3):
            held.enter_context(house.connect()).sendall(b"\x16")
        with house.connect() as one_more:
            assert closed(one_more)
        good.sendall(request(endpoint.path, BODY, SIGNED))
        assert read_answer(good).status == 202


def test_nonsense_in_a_handshake_is_not_worth_a_word_in_the_log(
    place: Place, edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    with secured(edge, place.files) as house:
        for nonsense in (
            b"\x16\x03\x01\x00\x05hello",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x80" * 3000,
            b"\x15\x03\x01\x00\x02\x02\x28",
        ):
            with house.connect() as connection:
                connection.sendall(nonsense)
                connection.shutdown(socket.SHUT_WR)
                list(_rest(connection))
        with house.connect():
            pass
    assert [record for record in caplog.records if record.levelname in {"WARNING", "ERROR", "CRITICAL"}] == []


def test_at_the_end_a_call_over_tls_is_waited_for_and_handshakes_are_not(place: Place, edge: Edge) -> None:
    with secured(edge, place.files) as house, connect(house, place.context()) as busy, house.connect() as half:
        endpoint = house.endpoint()
        raw = request(endpoint.path, BODY, SIGNED)
        half.sendall(b"\x16")
        busy.sendall(raw[:-1])
        house.until(lambda: house.receiver.load.calls == 1)
        house.inside(house.receiver.stop)
        assert closed(half)
        busy.sendall(raw[-1:])
        answer = read_answer(busy)
        assert (answer.status, answer.header("connection")) == (202, "close")
        assert house.ends_by_itself(20)


def _empty(place: Place) -> TlsFiles:
    (place.folder / "empty").write_bytes(b"")
    return replace(place.files, certificate=place.folder / "empty")


def _other_key(place: Place) -> TlsFiles:
    return replace(place.files, key=place.authority.issue("stranger")[1])


def _no_ca(place: Place) -> TlsFiles:
    return replace(place.files, client_ca=place.files.key)


def _missing(place: Place) -> TlsFiles:
    return replace(place.files, key=place.folder / "nowhere.key")


@pytest.mark.parametrize(
    ("spoil", "named", "why"),
    [
        (_empty, "empty", "not a certificate chain and its key"),
        (_other_key, "stranger.key", "not a certificate chain and its key"),
        (_no_ca, "tls.key", "holds no certificate"),
        (_missing, "nowhere.key", "cannot be read"),
    ],
)
def test_files_that_cannot_be_used_are_an_error_that_names_them(
    place: Place, spoil: object, named: str, why: str
) -> None:
    assert callable(spoil)
    with pytest.raises(InvalidTls) as error:
        Certificates(spoil(place))
    assert named in str(error.value)
    assert why in str(error.value)


def test_a_receiver_looks_at_its_files_every_few_seconds() -> None:
    assert 1 <= tls.LOOK_SECONDS <= 60


# Behind a balancer that passes connections on as they are.


def test_behind_a_balancer_the_client_is_whom_the_proxy_protocol_names(place: Place, edge: Edge) -> None:
    trust = Trust(proxies=("127.0.0.0/8",))
    with secured(edge, place.files, proxy_protocol=True, trust=trust) as house:
        endpoint = house.endpoint()
        raw = house.connect()
        raw.sendall(b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 443\r\n")
        with place.context().wrap_socket(raw, server_hostname="hooks") as connection:
            connection.sendall(request(endpoint.path, BODY, SIGNED))
            assert read_answer(connection).status == 202
        assert endpoint.seen[0].values(b"x-forwarded-for") == [b"203.0.113.9"]


def test_a_balancer_that_says_nothing_of_the_client_gets_no_handshake(place: Place, edge: Edge) -> None:
    trust = Trust(proxies=("127.0.0.0/8",))
    with secured(edge, place.files, proxy_protocol=True, trust=trust) as house, pytest.raises(OSError, match=r"."):
        connect(house, place.context())
