"""https targets of endpoints: verified by the CA in the binding, over the same path as http ones."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kube.pki import Authority
from tests.receiver.rig import House
from tests.receiver.test_calls import refusals


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every POST."""

    def do_POST(self) -> None:
        """Read the body and say yes."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that this system does not know."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def url(authority: Authority) -> Iterator[str]:
    """An https target on this host."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = authority.server_context().wrap_socket(server.socket, server_side=True)
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        yield f"https://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        serving.join()


def test_a_target_with_a_certificate_of_the_endpoints_own_ca_gets_its_calls(
    house: House, authority: Authority, url: str
) -> None:
    endpoint = house.endpoint(target=url, ca=authority.ca_file.read_text())
    assert [endpoint.call().status for _ in range(2)] == [204, 204]


def test_no_other_ca_will_do_and_the_owner_is_told(house: House, url: str, tmp_path: Path) -> None:
    other = Authority(tmp_path).ca_file.read_text()
    for ca in (None, other, "none"):
        endpoint = house.endpoint(target=url, ca=ca)
        assert endpoint.call().status == 502, ca
        assert [each["reason"] for each in refusals(endpoint)] == ["target-untrusted"], ca
