"""The limits of pools whose maxConcurrent is auto: what their nodes have room for, looked at now and then."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from spectrogram_operator.control.cluster.protocol import ClusterError, Nodes
from spectrogram_operator.core.judging.node import read_node
from spectrogram_operator.core.planning.capacity import most_at_once
from spectrogram_operator.core.policy import Pool

NODES_SECONDS = 30.0
"""Between two lists of nodes: a new one takes a minute or more to come."""
logger = logging.getLogger(__name__)


class Capacity:
    """`limit` is told of each of these pools how many jobs may run at once. Until nodes were listed it is one."""

    def __init__(self, nodes: Nodes, pools: Mapping[str, Pool], limit: Callable[[str, int], None]) -> None:
        self._nodes = nodes
        self._pools = {queue: pool for queue, pool in pools.items() if pool.auto_concurrent}
        self._limit = limit
        self._known: dict[str, int] = {}
        self._failed = ""

    async def run(self, seconds: float) -> None:
        """Look, so many seconds apart."""
        while True:
            try:
                await self.look()
            # Of an affinity, say, that is none: pods are refused for it, and it may not end the operator.
            except Exception:
                logger.exception("What has room on nodes could not be counted, and limits stay")
            await asyncio.sleep(seconds)

    async def look(self) -> None:
        """List the nodes. Where that fails limits stay as they are, and why is told once."""
        try:
            nodes = [read_node(body) async for page in self._nodes.list_nodes() for body in page.items]
        except ClusterError as error:
            if str(error) != self._failed:
                logger.warning("Nodes cannot be listed, and the limits that follow from them stay: %s", error)
            self._failed = str(error)
            return
        self._failed = ""
        for queue, pool in self._pools.items():
            most = most_at_once(pool, nodes)
            if self._known.get(queue) != most:
                logger.info(
                    "The queue %s may run %d jobs at once: as many as fit on its nodes, and one more", queue, most
                )
                self._known[queue] = most
                self._limit(queue, most)
