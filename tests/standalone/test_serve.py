"""`hookgate serve` as its users meet it: a process, a folder of manifests, calls over HTTP."""

from __future__ import annotations

import shutil
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cluster.processes import free_port
from tests.standalone.rig import Serve, endpoint, post, signed, target, until

BODY = b'{"ref": "main"}'
CONFIG = """\
apiVersion: config.hookgate.dev/v1alpha1
kind: HookgateConfiguration
hosts:
- {name: hooks.example.com, namespaces: ["*"], exposure: ingress}
"""


def test_a_signed_call_reaches_the_target_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    """The way of a call, from the URL in the table to the forwarded Service; and what is printed of it."""
    with target() as ci:
        serve = Serve(tmp_path, "--forward", f"default/ci={ci.url}/base")
        serve.write("push.yaml", endpoint())
        with serve:
            url = serve.ready()["url"]
            assert post(url, BODY, signed(serve.secret(), BODY)) == 202
            assert post(url, BODY, signed(b"wrong", BODY)) == 401
            until(lambda: "refused" in serve.out, "the line of the refused call")
        assert ci.taken == [("/base/in", BODY)]
        assert "default/push  202  accepted, target 202  (" in serve.out
        assert "default/push  401  refused: wrong-credential  (" in serve.out
        assert f"active  True   Active   X-Hub-Signature-256  {url}".split() == serve.out.splitlines()[-3].split()[2:]


def test_a_repeated_call_is_delivered_once_and_said_to_be_one(tmp_path: Path) -> None:
    with target() as ci:
        serve = Serve(tmp_path, "--forward", f"default/ci={ci.url}")
        serve.write("push.yaml", endpoint() + "  replay: {mode: Signature}\n")
        with serve:
            url = serve.ready()["url"]
            assert [post(url, BODY, signed(serve.secret(), BODY)) for _ in range(2)] == [202, 200]
            until(lambda: "a repeated call, delivered before" in serve.out, "the line of the repeated call")
        assert [body for _, body in ci.taken] == [BODY]


@pytest.fixture(name="served")
def _served(tmp_path: Path) -> Serve:
    """A folder with one endpoint, not started yet, whose target stands nowhere."""
    serve = Serve(tmp_path, "--forward", "default/ci=http://127.0.0.1:9")
    serve.write("push.yaml", endpoint())
    return serve


def test_nothing_that_is_printed_holds_a_secret_and_no_delivery_line_a_url(served: Serve) -> None:
    """The table alone shows the URL."""
    with served as serve:
        url = serve.ready()["url"]
        post(url, BODY, signed(serve.secret(), BODY))
        until(lambda: "cannot be reached" in serve.out, "the delivery")
        assert serve.secret().decode() not in serve.out + serve.errors
        assert [line for line in serve.out.splitlines() if url.rpartition("/")[2] in line and "accepted" in line] == []


def test_a_restart_keeps_uid_url_and_secret(served: Serve) -> None:
    """Who was given a URL and a secret keeps them, also after the process was killed."""
    port = free_port()
    served.command[served.command.index("127.0.0.1:0")] = f"127.0.0.1:{port}"
    with served as serve:
        before = (serve.ready()["url"], serve.secret(), _uid(serve))
        serve.stop(signal.SIGKILL)
        serve.start()
        assert (serve.ready()["url"], serve.secret(), _uid(serve)) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(served: Serve, number: signal.Signals) -> None:
    """Both usual signals mean: drain and end, with exit code 0."""
    with served as serve:
        assert serve.stop(number) == 0


def test_a_call_in_flight_is_finished_before_the_end(tmp_path: Path) -> None:
    """No sender is cut off by a restart."""
    with target() as ci, ThreadPoolExecutor() as pool:
        serve = Serve(tmp_path, "--forward", f"default/ci={ci.url}")
        serve.write("push.yaml", endpoint())
        with serve:
            url = serve.ready()["url"]
            ci.answering.clear()
            call = pool.submit(post, url, BODY, signed(serve.secret(), BODY))
            until(lambda: ci.taken, "the call to arrive")
            end = pool.submit(serve.stop)
            until(lambda: not _listens(url), "the listener to close")
            ci.answering.set()
            assert (call.result(), end.result()) == (202, 0)


def test_a_changed_file_is_taken_over(served: Serve) -> None:
    """Deactivation in the file turns calls away, activation takes them again, at the same URL."""
    with served as serve:
        url = serve.ready()["url"]
        serve.write("push.yaml", endpoint(state="inactive"))
        until(lambda: post(url, BODY, signed(serve.secret(), BODY)) == 503, "the deactivation")
        serve.write("push.yaml", endpoint(state="active"))
        until(lambda: post(url, BODY, signed(serve.secret(), BODY)) == 502, "the activation")
        assert serve.ready()["url"] == url


def test_absent_removes_url_and_secret(served: Serve) -> None:
    """`state: absent` takes everything away but the object."""
    with served as serve:
        url = serve.ready()["url"]
        serve.write("push.yaml", endpoint(state="absent"))
        until(lambda: serve.object("push-webhook", "secrets") is None, "the removal")
        assert post(url, BODY, {}) == 404
        assert list((serve.state / "bindings").iterdir()) == []
        assert "url" not in serve.ready()


def test_a_removed_manifest_removes_its_endpoint(served: Serve) -> None:
    """Object, secret, binding and URL go; the endpoint beside it stays."""
    with served as serve:
        served.write("other.yaml", endpoint("other"))
        url, other = serve.ready()["url"], serve.ready("other")["url"]
        (serve.hooks / "push.yaml").unlink()
        until(lambda: serve.object() is None, "the deletion")
        assert serve.object("push-webhook", "secrets") is None
        assert (post(url, BODY, {}), post(other, BODY, {})) == (404, 401)


def test_a_broken_file_keeps_what_it_declared_and_harms_no_other(served: Serve) -> None:
    """One clear line, the last good version in force, and all is well when the file is."""
    with served as serve:
        url = serve.ready()["url"]
        path = serve.write("push.yaml", endpoint() + "  - nonsense: [\n")
        serve.write("other.yaml", endpoint("other"))
        serve.ready("other")
        until(lambda: str(path) in serve.errors, "the complaint")
        assert serve.errors.count("\n") == 1
        assert "the last good version stays in force: default/push" in serve.errors
        assert post(url, BODY, {}) == 401
        serve.write("push.yaml", endpoint())
        until(lambda: "in order again" in serve.errors, "the relief")


def test_a_file_that_is_broken_at_the_start_keeps_what_the_last_process_served(served: Serve) -> None:
    """A restart is no reason to forget."""
    with served as serve:
        before = serve.ready()["url"].rpartition("/")[2]
        serve.stop()
        serve.write("push.yaml", "kind: [")
        serve.start()
        assert serve.ready()["url"].rpartition("/")[2] == before


def test_a_folder_that_vanishes_deletes_nothing(served: Serve) -> None:
    """A missing folder looks like an unmounted disk, not like a wish."""
    with served as serve:
        url = serve.ready()["url"]
        shutil.move(serve.hooks, serve.hooks.with_name("elsewhere"))
        until(lambda: "stays in force until it is back" in serve.errors, "the complaint")
        assert post(url, BODY, {}) == 401
        shutil.move(serve.hooks.with_name("elsewhere"), serve.hooks)
        until(lambda: "in order again" in serve.errors, "the relief")
        assert serve.ready()["url"] == url


def test_other_kinds_are_noted_once_and_ignored(served: Serve) -> None:
    """The files of a whole application may stand beside."""
    served.write("app.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
    with served as serve:
        serve.ready()
        assert [line for line in serve.out.splitlines() if "ConfigMap" in line] == [
            f"ignored: {serve.hooks / 'app.yaml'}: v1 ConfigMap"
        ]
        serve.write("late.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n")
        until(lambda: f"ignored: {serve.hooks / 'late.yaml'}: v1 Service\n" in serve.out, "the note")


def test_a_target_that_nothing_stands_for_is_told_with_the_option_to_give(tmp_path: Path) -> None:
    """Without a cluster there are no Services; --forward is what to do."""
    serve = Serve(tmp_path)
    serve.write("push.yaml", endpoint())
    with serve:
        until(lambda: "TargetNotFound" in serve.out, "the table")
        assert "--forward default/ci=http://127.0.0.1:PORT" in serve.out


def test_the_state_is_for_its_owner_alone(served: Serve) -> None:
    """Folders 0700, files 0600, and Git passes them over."""
    with served as serve:
        serve.ready()
        modes = {path.is_dir(): set[int]() for path in (serve.state, serve.state / "lock")}
        for path in (serve.state, *serve.state.rglob("*")):
            modes[path.is_dir()].add(path.stat().st_mode & 0o777)
        assert modes == {True: {0o700}, False: {0o600}}
        assert (serve.state / ".gitignore").read_text() == "*\n"


def test_a_second_serve_on_the_same_state_is_refused(served: Serve) -> None:
    """Two writers would undo each other."""
    with served as serve:
        code, errors = Serve(serve.hooks.parent).refused()
        assert code == 2
        assert errors == (
            f"hookgate: {serve.state}: in use by another `hookgate serve`; stop that one, or name another --state-dir\n"
        )


def test_a_port_in_use_is_told_in_one_line(served: Serve) -> None:
    """With the option to give."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        served.command[served.command.index("127.0.0.1:0")] = f"127.0.0.1:{port}"
        assert served.refused() == (
            2,
            f"hookgate: 127.0.0.1:{port}: in use by another process; choose another address with --listen\n",
        )


def test_a_path_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    """A typing error must not look like an empty folder."""
    missing = tmp_path / "hoks"
    assert Serve(tmp_path, paths=(missing,)).refused() == (2, f"hookgate: {missing}: no such file or folder\n")


def test_a_folder_without_manifests_is_told_in_one_line(tmp_path: Path) -> None:
    """There is nothing to serve."""
    serve = Serve(tmp_path)
    assert serve.refused() == (
        2,
        f"hookgate: {serve.hooks}: no WebhookEndpoint manifests found; see `hookgate serve --help`\n",
    )


def test_a_first_start_with_nothing_but_errors_tells_them_and_ends(tmp_path: Path) -> None:
    """Every error with file, field, reason and what to do."""
    serve = Serve(tmp_path)
    path = serve.write("push.yaml", endpoint().replace("type: hmac", "type: hmak").replace("port: 80", "port: 0"))
    code, errors = serve.refused()
    assert code == 2
    assert errors.splitlines() == [
        f"hookgate: {path}: spec.auth.type: write one of hmac, signature, token, basic, jwt, anyOf, none",
        f"hookgate: {path}: spec.target.service.port: write a number of at least 1",
        f"hookgate: {serve.hooks}: no endpoint that can be served; see `hookgate serve --help`",
    ]


def test_a_public_url_stands_in_the_urls(served: Serve) -> None:
    """A tunnel's name, which may change from one start to the next, leaves the path as it is."""
    with served as serve:
        path = serve.ready()["url"].rpartition("/")[2]
        serve.stop()
        serve.command += ["--public-url", "https://tunnel.example:8443"]
        serve.start()
        until(lambda: "tunnel" in serve.ready()["url"], "the new URL")
        assert serve.ready()["url"] == f"https://tunnel.example:8443/h/{path}"
        assert serve.secret(key="url").decode() == f"https://tunnel.example:8443/h/{path}"


def test_a_configuration_is_followed_and_a_bad_change_is_not_taken(served: Serve) -> None:
    """As in a cluster: a host withdrawn is a refusal that keeps the path, and its return ends the refusal."""
    config = served.hooks.parent / "hookgate.yaml"
    config.write_text(CONFIG)
    served.command += ["--config", str(config)]
    with served as serve:
        url = serve.ready()["url"]
        assert url.startswith("https://hooks.example.com/h/")
        config.write_text(CONFIG.replace("hooks", "other"))
        until(lambda: "HostNotAllowed" in serve.out, "the refusal")
        config.write_text("nonsense")
        until(lambda: "the last good configuration stays in force" in serve.errors, "the complaint")
        config.write_text(CONFIG)
        assert serve.ready()["url"] == url


def test_an_open_endpoint_has_to_be_allowed_and_shows_its_url_in_the_secret_alone(served: Serve) -> None:
    """Without authentication the URL is the secret."""
    served.write("open.yaml", endpoint("open").replace("hmac", "none").replace("    provider: github\n", ""))
    with served as serve:
        until(lambda: "AuthTypeNotAllowed" in serve.out, "the refusal")
        serve.stop()
        config = served.hooks.parent / "hookgate.yaml"
        config.write_text(CONFIG + "auth: {allowedTypes: [hmac, none]}\n")
        serve.command += ["--config", str(config)]
        serve.start()
        assert "url" not in serve.ready("open")
        url = serve.secret("open-webhook", "url").decode()
        assert url.startswith("https://hooks.example.com/h/")
        assert url not in serve.out


def _listens(url: str) -> bool:
    where = urlsplit(url)
    try:
        socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=1).close()
    except OSError:
        return False
    return True


def _uid(serve: Serve) -> str:
    found = serve.object()
    assert found is not None
    return str(found["metadata"]["uid"])
