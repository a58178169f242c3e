"""What Prometheus asks: GET /metrics."""

import socket

import prometheus_client
from prometheus_client.registry import CollectorRegistry

from spectrogram_operator.settings import ports


class MetricsServer:
    """GET /metrics on one port of every address, IPv4 and IPv6, in threads of its own."""

    def __init__(self, registry: CollectorRegistry, port: int) -> None:
        """Serve at once. With port 0 the system chooses one. Raises SettingsError for a port that is not to be had."""
        # A creation time for each series would double their number, and nothing asks for it.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        everywhere = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"
        with ports.listening("SPECTROGRAM_METRICS_PORT", port):
            self._server, self._thread = prometheus_client.start_http_server(port, everywhere, registry)

    @property
    def port(self) -> int:
        """The port that is served."""
        return self._server.server_port

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
