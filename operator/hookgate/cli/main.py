"""The command line: which commands there are and what they take.

Every command's code is imported when it is called, so that each installation can run what it has the libraries for.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import TypeAlias

from hookgate import __version__
from hookgate.cli.exits import EPILOG, Exit, Stop
from hookgate.cli.stores import add_store

DEFAULT_STATE = ".hookgate"

_Command = Callable[[argparse.Namespace], int]
#: Libraries that come with an extra, and which extra a command wants; all others want a cluster's client.
_OPTIONAL = frozenset(
    {"aiohttp", "hiredis", "httptools", "kopf", "kubernetes", "multidict", "uvicorn", "uvloop", "yarl"}
)
_EXTRAS = {"serve": "all", "receiver": "receiver"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except Stop as stop:
        if str(stop):
            print(f"hookgate: {stop}", file=sys.stderr)
        return stop.code
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in _OPTIONAL:
            raise
        extra = _EXTRAS.get(options.command, "operator")
        print(
            f"hookgate: {options.command} needs {library}, which is not installed: pip install 'hookgate[{extra}]'",
            file=sys.stderr,
        )
        return Exit.USAGE
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader has what it wanted; without this, flushing at exit would complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE


class _Layout(argparse.RawDescriptionHelpFormatter):
    """Keeps the epilog's lines, and each command beside its description."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)
        # argparse forgets to count the indent of commands when it looks for the longest.
        self._action_max_length = len("  deconfigure") + 2


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="hookgate",
        description="Webhook endpoints: declare them, serve them, try them.",
        epilog=EPILOG,
        formatter_class=_Layout,
    )
    top.add_argument("--version", action="version", version=f"hookgate {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _serving(commands)
    _planes(commands)
    _receiving(commands)
    _looking(commands)
    _changing(commands)
    _send(commands)
    _running(commands)
    _rights(commands)
    return top


_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add(commands: _Commands, name: str, run: _Command, text: str) -> argparse.ArgumentParser:
    added = commands.add_parser(name, help=text, description=text, epilog=EPILOG, formatter_class=_Layout)
    added.set_defaults(run=run)
    return added


def _serving(commands: _Commands) -> None:
    serve = _add(commands, "serve", _run_serve, "serve endpoints from manifest files, without a cluster")
    serve.add_argument("paths", nargs="+", metavar="PATH", help="a manifest file, or a folder of them (not descended)")
    serve.add_argument(
        "--state-dir", default=DEFAULT_STATE, metavar="DIR", help="where secrets and URLs are kept (%(default)s)"
    )
    serve.add_argument(
        "--listen", default="127.0.0.1:8080", metavar="HOST:PORT", help="where senders call (%(default)s)"
    )
    serve.add_argument(
        "--private-listen", default="127.0.0.1:0", metavar="HOST:PORT", help="probes; port 0: any (%(default)s)"
    )
    serve.add_argument("--public-url", metavar="URL", help="how senders reach --listen, if not directly")
    _tls(serve)
    serve.add_argument(
        "--forward", action="append", default=[], metavar="NS/SERVICE=URL", help="what stands for a target Service here"
    )
    serve.add_argument("--allow-url-targets", action="store_true", help="let endpoints have any URL as their target")
    serve.add_argument("--config", metavar="FILE", help="a hookgate.yaml to hold the endpoints to, as in a cluster")
    add_store(serve)


def _planes(commands: _Commands) -> None:
    operator = _add(commands, "operator", _run_operator, "run the control plane in a cluster")
    operator.add_argument(
        "--kubeconfig", metavar="FILE", help="default: $KUBECONFIG, the pod's account, ~/.kube/config"
    )
    operator.add_argument(
        "--config", metavar="FILE", help="the platform's hookgate.yaml; without it nothing is offered"
    )
    operator.add_argument("--system-namespace", default="hookgate-system", metavar="NS", help="ours (%(default)s)")
    operator.add_argument(
        "--bindings-namespace", default="hookgate-bindings", metavar="NS", help="what receivers read (%(default)s)"
    )
    operator.add_argument(
        "--namespaces", metavar="NS,NS", help="look after endpoints in these only, with rights in these only"
    )
    operator.add_argument(
        "--resync", type=float, default=300.0, metavar="SECONDS", help="between looks at everything (%(default)s)"
    )
    operator.add_argument(
        "--lease-duration",
        type=float,
        default=15.0,
        metavar="SECONDS",
        help="until another operator takes over from one that died; 0: there is no other (%(default)s)",
    )
    operator.add_argument("--health", default="0.0.0.0:8082", metavar="HOST:PORT", help="probes (%(default)s)")


def _receiving(commands: _Commands) -> None:
    receiver = _add(commands, "receiver", _run_receiver, "run one receiver in a cluster")
    receiver.add_argument("--listen", default="0.0.0.0:8080", metavar="HOST:PORT", help="calls (%(default)s)")
    receiver.add_argument("--private-listen", default="0.0.0.0:8081", metavar="HOST:PORT", help="probes (%(default)s)")
    receiver.add_argument(
        "--kubeconfig", metavar="FILE", help="default: $KUBECONFIG, the pod's account, ~/.kube/config"
    )
    receiver.add_argument(
        "--bindings-namespace", default="hookgate-bindings", metavar="NS", help="where bindings are (%(default)s)"
    )
    receiver.add_argument(
        "--drain-delay",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help="from SIGTERM until no connection is taken any more; what load balancers need (%(default)s)",
    )
    receiver.add_argument(
        "--trusted-proxies", metavar="NET,NET", help="proxies in front whose word on where calls come from is taken"
    )
    receiver.add_argument("--trusted-hops", type=int, metavar="N", help="so many proxies, whatever their addresses")
    receiver.add_argument(
        "--proxy-protocol", action="store_true", help="connections from trusted proxies begin with its header"
    )
    receiver.add_argument(
        "--connections-per-address", type=int, metavar="N", help="of addresses that are no trusted proxy (2048)"
    )
    receiver.add_argument(
        "--deny-targets", metavar="NET,NET", help="where targets may not be, beside this host, metadata, the API server"
    )
    receiver.add_argument("--bindings", metavar="DIR", help="take the bindings from this folder instead of a cluster")
    add_store(receiver)
    _tls(receiver)


def _tls(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--tls-cert", metavar="FILE", help="serve --listen over TLS: the chain (PEM), read again when it changes"
    )
    command.add_argument("--tls-key", metavar="FILE", help="its key (PEM, not encrypted)")
    command.add_argument(
        "--tls-client-ca", metavar="FILE", help="let in only senders with a certificate of these authorities (PEM)"
    )


def _running(commands: _Commands) -> None:
    uninstall = _add(commands, "uninstall", _run_uninstall, "free every endpoint of us, so that all can be deleted")
    uninstall.add_argument("--yes", action="store_true", help="do not ask")
    uninstall.add_argument("-n", "--namespace", metavar="NS", help="endpoints of this namespace only; default: all")
    uninstall.add_argument("--namespaces", metavar="NS,NS", help="of an operator for these only, as it was told them")
    uninstall.add_argument("--stop-operator", action="store_true", help="end it first: scale its Deployment to 0")
    _installation(uninstall)
    status = _add(commands, "status", _run_status, "show who leads, which receivers are ready, how endpoints are")
    _installation(status)
    backup = _add(commands, "backup", _run_backup, "write secrets and URLs in a form that another cluster can adopt")
    backup.add_argument("-o", "--output", metavar="FILE", help="a new file, for you alone; default: standard output")
    backup.add_argument("-n", "--namespace", metavar="NS", help="endpoints of this namespace only; default: all")
    _installation(backup)


def _rights(commands: _Commands) -> None:
    rbac = _add(
        commands, "rbac", _run_rbac, "print a Role that may read the connection Secrets of these endpoints only"
    )
    rbac.add_argument("names", nargs="+", metavar="NAME")
    rbac.add_argument("-n", "--namespace", default="default", metavar="NS", help="(%(default)s)")
    rbac.add_argument("--role", default="hookgate-secrets", metavar="NAME", help="what to call it (%(default)s)")
    for who, text in (("user", "NAME"), ("group", "NAME"), ("serviceaccount", "NS:NAME")):
        rbac.add_argument(f"--{who}", action="append", default=[], metavar=text, help="bind it to this one, too")
    rbac.add_argument("--kubeconfig", metavar="FILE", help="default: as kubectl has it")
    rbac.add_argument("--context", metavar="NAME", help="of the kubeconfig")


def _installation(command: argparse.ArgumentParser) -> None:
    """Add what says which installation in which cluster is meant."""
    command.add_argument("--kubeconfig", metavar="FILE", help="default: as kubectl has it")
    command.add_argument("--context", metavar="NAME", help="of the kubeconfig")
    command.add_argument("--system-namespace", default="hookgate-system", metavar="NS", help="(%(default)s)")
    command.add_argument("--bindings-namespace", default="hookgate-bindings", metavar="NS", help="(%(default)s)")


def _place(command: argparse.ArgumentParser, *, namespace: str | None = "default") -> None:
    """Add what says where the endpoints are."""
    text = f"default: {namespace}" if namespace else "default: all"
    command.add_argument("-n", "--namespace", default=namespace, metavar="NS", help=text)
    command.add_argument(
        "--state-dir", metavar="DIR", help=f"of `hookgate serve`; default: ./{DEFAULT_STATE}, if there"
    )
    command.add_argument("--kubeconfig", metavar="FILE", help="of a cluster; default: as kubectl has it")
    command.add_argument("--context", metavar="NAME", help="of the kubeconfig")


def _looking(commands: _Commands) -> None:
    get = _add(commands, "get", _run_get, "show endpoints and how they are")
    get.add_argument("name", nargs="?", metavar="NAME")
    get.add_argument("-o", "--output", choices=("table", "json", "yaml"), default="table")
    _place(get, namespace=None)
    for name, run, text in (
        ("url", _run_url, "print an endpoint's URL"),
        ("secret", _run_secret, "print an endpoint's current secret, for the sender's settings"),
    ):
        added = _add(commands, name, run, text)
        added.add_argument("name", metavar="NAME")
        _place(added)
    explain = _add(commands, "explain", _run_explain, "tell why calls to an endpoint were refused, and what to check")
    explain.add_argument("name", metavar="NAME")
    explain.add_argument(
        "--system-namespace", default="hookgate-system", metavar="NS", help="where receivers run (%(default)s)"
    )
    _place(explain)
    providers = _add(commands, "providers", _run_providers, "list the senders that are known by name")
    providers.add_argument("name", nargs="?", metavar="NAME", help="show one in detail")
    providers.add_argument("--markdown", action="store_true", help="write the README's table of them")
    providers.add_argument("--config", metavar="FILE", help="a hookgate.yaml with providers of its own")


def _changing(commands: _Commands) -> None:
    for name, state, text in (
        ("activate", "active", "take calls, and print URL and header"),
        ("deactivate", "inactive", "refuse calls, keeping secret and URL"),
        ("deconfigure", "absent", "remove secret and URL for good"),
    ):
        added = _add(commands, name, _run_change, text)
        added.add_argument("name", metavar="NAME")
        added.set_defaults(state=state)
        if state != "active":
            added.add_argument("--yes", action="store_true", help="do not ask")
        added.add_argument("--wait", type=float, default=30.0, metavar="SECONDS", help="until it is so (%(default)s)")
        added.add_argument("--no-wait", dest="wait", action="store_const", const=0.0, help="do not wait")
        _place(added)

    rotate = _add(commands, "rotate", _run_rotate, "make a new secret; the former one works for the overlap more")
    rotate.add_argument("name", metavar="NAME")
    rotate.add_argument("--url", action="store_true", help="make a new URL instead")
    rotate.add_argument(
        "--forward-secret", action="store_true", help="make a new key instead that forwarded calls are signed with"
    )
    rotate.add_argument("--yes", action="store_true", help="do not ask")
    rotate.add_argument("--wait", type=float, default=30.0, metavar="SECONDS", help="until it is so (%(default)s)")
    _place(rotate)


def _send(commands: _Commands) -> None:
    send = _add(commands, "send", _run_send, "call an endpoint as its sender would, signed")
    send.add_argument("name", metavar="NAME")
    send.add_argument("--data", required=True, metavar="FILE", help="the body; - for standard input")
    send.add_argument("--header", action="append", default=[], metavar="K:V", help="one more header")
    send.add_argument("--content-type", default="application/json", metavar="TYPE", help="(%(default)s)")
    send.add_argument("--secret-file", metavar="FILE", help="sign with the secret in this file")
    send.add_argument("--tamper", action="store_true", help="spoil the call after signing, to see it refused")
    send.add_argument("--via", metavar="URL", help="post to this host instead of the URL's own, such as a port-forward")
    send.add_argument("--config", metavar="FILE", help="a hookgate.yaml with providers of its own")
    _place(send)


def _run_serve(options: argparse.Namespace) -> int:
    from hookgate.cli.serve import run  # noqa: PLC0415 -- see the module

    return run(options)


def _run_operator(options: argparse.Namespace) -> int:
    from hookgate.cli.operator import run  # noqa: PLC0415 -- see the module

    return run(options)


def _run_receiver(options: argparse.Namespace) -> int:
    from hookgate.cli.receiver import run  # noqa: PLC0415 -- see the module

    return run(options)


def _run_get(options: argparse.Namespace) -> int:
    from hookgate.cli.look import get  # noqa: PLC0415 -- see the module

    return get(options)


def _run_url(options: argparse.Namespace) -> int:
    from hookgate.cli.look import url  # noqa: PLC0415 -- see the module

    return url(options)


def _run_secret(options: argparse.Namespace) -> int:
    from hookgate.cli.look import secret  # noqa: PLC0415 -- see the module

    return secret(options)


def _run_explain(options: argparse.Namespace) -> int:
    from hookgate.cli.explain import run  # noqa: PLC0415 -- see the module

    return run(options)


def _run_providers(options: argparse.Namespace) -> int:
    from hookgate.cli.providers import run  # noqa: PLC0415 -- see the module

    return run(options)


def _run_change(options: argparse.Namespace) -> int:
    from hookgate.cli.change import run  # noqa: PLC0415 -- see the module

    return run(options)


def _run_uninstall(options: argparse.Namespace) -> int:
    from hookgate.cli.uninstall import run  # noqa: PLC0415 -- see the module

    return run(options)


def _run_status(options: argparse.Namespace) -> int:
    from hookgate.cli.status import run  # noqa: PLC0415 -- see the module

    return run(options)


def _run_backup(options: argparse.Namespace) -> int:
    from hookgate.cli.backup import run  # noqa: PLC0415 -- see the module

    return run(options)


def _run_rbac(options: argparse.Namespace) -> int:
    from hookgate.cli.rbac import run  # noqa: PLC0415 -- see the module

    return run(options)


def _run_rotate(options: argparse.Namespace) -> int:
    from hookgate.cli.rotate import run  # noqa: PLC0415 -- see the module

    return run(options)


def _run_send(options: argparse.Namespace) -> int:
    from hookgate.cli.send import run  # noqa: PLC0415 -- see the module

    return run(options)
