"""What the kubelet asks: GET /healthz, alive or to be started anew; GET /readyz, at work or waiting for something."""

import socket

from aiohttp import web

from spectrogram_operator.control.service import Service
from spectrogram_operator.settings import ports

STUCK_SECONDS = 120.0
"""Work that waits so long, while nothing is finished, means that the operator hangs."""


class HealthServer:
    """Answers in the operator's own event loop: a loop that hangs answers nothing."""

    def __init__(self, service: Service, port: int) -> None:
        self._service = service
        self._port = port
        application = web.Application()
        application.add_routes([web.get("/healthz", self._healthz), web.get("/readyz", self._readyz)])
        self._runner = web.AppRunner(application, handle_signals=False, shutdown_timeout=1.0, access_log=None)

    async def start(self) -> None:
        """Serve on every address, IPv4 and IPv6. Raises SettingsError for a port that is not to be had."""
        await self._runner.setup()
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        with ports.listening("SPECTROGRAM_HEALTH_PORT", self._port):
            listening = socket.create_server(("", self._port), family=family, dualstack_ipv6=both)
        await web.SockSite(self._runner, listening).start()

    async def stop(self) -> None:
        """Stop serving."""
        await self._runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        try:
            return web.Response(text=self._service.check_alive(STUCK_SECONDS))
        except RuntimeError as error:
            return web.Response(status=500, text=str(error))

    async def _readyz(self, request: web.Request) -> web.Response:
        problem = self._service.not_ready()
        return web.Response(status=503, text=problem) if problem else web.Response(text="ok")
