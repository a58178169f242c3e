"""The operator's command: `spectrogram-operator [--show-settings]`."""

import argparse
import asyncio
import importlib.metadata
import logging
import os
import socket
import sys

from prometheus_client import CollectorRegistry

from spectrogram_operator.control.cluster.kubernetes import NoClusterError, connect
from spectrogram_operator.control.operate import operate
from spectrogram_operator.control.service import Service
from spectrogram_operator.settings import Settings, SettingsError, read_settings, show_settings
from spectrogram_operator.telemetry.logs import configure_logging
from spectrogram_operator.telemetry.metrics_server import MetricsServer


def main() -> None:
    """Run the operator until SIGTERM; exit 78 where a setting cannot be used, or no cluster is named."""
    version = importlib.metadata.version("spectrogram-operator")
    parser = argparse.ArgumentParser(prog="spectrogram-operator", description="Runs SpectrogramJobs as pods.")
    parser.add_argument("--show-settings", action="store_true", help="print every setting, its value and its source")
    parser.add_argument("--version", action="version", version=version)
    arguments = parser.parse_args()
    try:
        settings = read_settings(os.environ)
        if arguments.show_settings:
            print(show_settings(settings))
            return
        configure_logging(settings.log_level)
        for warning in settings.warnings:
            logging.getLogger(__name__).warning(warning)
        asyncio.run(serve(settings, version))
    except SettingsError as error:
        sys.exit(_refuse(str(error)))
    except NoClusterError as error:
        sys.exit(_refuse(f"no cluster is named: run it in a pod of the cluster, or set KUBECONFIG ({error})"))


def _refuse(why: str) -> int:
    print(f"spectrogram-operator: {why}", file=sys.stderr)
    return SettingsError.exit_code


def identity(settings: Settings) -> str:
    """Of the pod, or of the machine, and a port that no other operator there can have: the same after a kill."""
    return f"{socket.gethostname()}:{settings.health_port}"


async def serve(settings: Settings, version: str) -> None:
    """Serve until SIGTERM or SIGINT."""
    registry = CollectorRegistry()
    service = Service(
        settings,
        lambda: connect(service.metrics.answered, service.clock.hear),
        registry,
        version=version,
        identity=identity(settings),
    )
    metrics = MetricsServer(registry, settings.metrics_port)
    try:
        await operate(settings, service, stop=asyncio.Event())
    finally:
        metrics.close()


if __name__ == "__main__":
    main()
