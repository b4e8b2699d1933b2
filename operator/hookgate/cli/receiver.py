"""`hookgate receiver`: one receiver's process, fed by a cluster or by a folder."""

from __future__ import annotations

import argparse
import asyncio
import logging
from pathlib import Path

from hookgate.cli.exits import Exit, Stop
from hookgate.cli.local import address
from hookgate.cli.stores import store_of
from hookgate.cli.tls import tls_files
from hookgate.model.grammar import NETWORK
from hookgate.receiver.clients import Trust
from hookgate.receiver.edge import Bounds
from hookgate.receiver.loop import run_on_uvloop
from hookgate.receiver.process import run_receiver
from hookgate.receiver.settings import ReceiverSettings
from hookgate.receiver.source import FolderSource


def run(options: argparse.Namespace) -> int:
    """Receive until SIGTERM or SIGINT. Raises `Stop` where an address or the cluster cannot be had."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    public, private = address("--listen", options.listen), address("--private-listen", options.private_listen)
    store, secret = store_of(options)
    settings = ReceiverSettings(
        host=public.host,
        port=public.port,
        private_host=private.host,
        private_port=private.port,
        drain_delay=options.drain_delay,
        trust=_trust(options),
        proxy_protocol=options.proxy_protocol,
        bounds=_bounds(options),
        denied_targets=_networks("--deny-targets", options.deny_targets),
        replay_store=store,
        replay_secret=secret,
        tls=tls_files(options),
    )
    try:
        if options.bindings:
            run_on_uvloop(_from_folder(settings, Path(options.bindings)))
        else:
            run_on_uvloop(_from_cluster(settings, options))
    except OSError as error:
        raise Stop(Exit.USAGE, f"--listen, --private-listen: cannot listen there ({error.strerror})") from None
    return Exit.DONE


def _trust(options: argparse.Namespace) -> Trust:
    """Read what stands in front. Raises `Stop`."""
    networks = _networks("--trusted-proxies", options.trusted_proxies)
    if options.trusted_hops is not None and (networks or options.trusted_hops < 1):
        raise Stop(Exit.USAGE, "--trusted-hops: write how many proxies there are, and leave --trusted-proxies out")
    if options.proxy_protocol and not networks:
        raise Stop(Exit.USAGE, "--proxy-protocol: its header is believed only from --trusted-proxies; list them")
    return Trust(proxies=networks, hops=options.trusted_hops or 0)


def _networks(option: str, text: str | None) -> tuple[str, ...]:
    """Read a list of networks. Raises `Stop` naming the option."""
    networks = tuple(each.strip() for each in (text or "").split(",") if each.strip())
    for each in networks:
        fault = NETWORK.fault(each)
        if fault:
            raise Stop(Exit.USAGE, f"{option} {each}: {fault}")
    return networks


def _bounds(options: argparse.Namespace) -> Bounds:
    most = options.connections_per_address
    if most is None:
        return Bounds()
    if most < 1:
        raise Stop(Exit.USAGE, "--connections-per-address: write a number of at least 1")
    return Bounds(connections_per_address=most)


async def _from_folder(settings: ReceiverSettings, folder: Path) -> None:
    if not _is_folder(folder):
        raise Stop(Exit.USAGE, f"--bindings {folder}: no such folder")
    await run_receiver(settings, FolderSource(folder))


async def _from_cluster(settings: ReceiverSettings, options: argparse.Namespace) -> None:
    # Only here: a receiver that reads a folder needs no Kubernetes.
    from hookgate.kube.api import Api, ClusterConfigError  # noqa: PLC0415
    from hookgate.receiver.kube_server import keep_out, server_host  # noqa: PLC0415
    from hookgate.receiver.kube_source import KubeSource  # noqa: PLC0415

    try:
        api = await Api.connect(kubeconfig=options.kubeconfig, light=True)
        host = await server_host(options.kubeconfig)
    except ClusterConfigError as error:
        raise Stop(Exit.USAGE, f"{error}, or take the bindings from a folder with --bindings") from None
    async with api:
        # No call is taken before the API server told where it is: the first ones must not reach it either.
        learning: list[asyncio.Task[None]] = []
        tried = asyncio.Event()
        try:
            await run_receiver(
                settings,
                KubeSource(api, namespace=options.bindings_namespace, after=tried),
                started=lambda receiver: learning.append(
                    asyncio.create_task(keep_out(api, host, receiver.judge, tried))
                ),
            )
        finally:
            for task in learning:
                task.cancel()


def _is_folder(folder: Path) -> bool:
    return folder.is_dir()
