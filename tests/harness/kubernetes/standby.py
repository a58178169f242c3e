"""A node that only says that it is well: nothing runs there.

The controllers give up a node that falls silent only while another one of its zone answers: where none does, they take
their own connection for the cause, and leave nodes and pods as they are.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from harness.kubernetes.client import Client, CommandError

_HEARTBEAT_SECONDS = 5
"""Some of them may get lost: a node is silent after forty seconds."""


@contextmanager
def standby_node(client: Client, name: str = "standby") -> Iterator[None]:
    """Until the context ends, there is a node of this name that is ready. It has room for no pod."""
    client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    ended = threading.Event()

    def send_heartbeats() -> None:
        while not ended.is_set():
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": now}
            with suppress(CommandError):
                client.patch_status("node", name, {"conditions": [ready]})
            ended.wait(_HEARTBEAT_SECONDS)

    thread = threading.Thread(target=send_heartbeats, name="heartbeats")
    thread.start()
    try:
        client.wait_for_node(name)
        yield
    finally:
        ended.set()
        thread.join()
        client.kubectl("delete", "node", name)
