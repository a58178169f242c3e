"""One pod: a child process that lives and ends as the kubelet would have it, and the API object that tells so."""

import asyncio
import contextlib
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spectrogram_operator.api.quantity import parse_bytes
from spectrogram_operator.local import launcher, pod_status
from spectrogram_operator.local.memory_group import MemoryGroup
from spectrogram_operator.local.process import Process
from spectrogram_operator.local.worker_log import WorkerLog
from spectrogram_worker.contract import WorkerDocument
from spectrogram_worker.contract.document import ENVIRONMENT_VARIABLE
from spectrogram_worker.contract.report import MAXIMUM_REPORT_BYTES

NODE_NAME = "localhost"
_LOG_SECONDS = 5.0


class LocalPod:
    """A pod of this machine, from the manifest that an API server would have been given."""

    def __init__(
        self,
        manifest: Mapping[str, Any],
        *,
        command: Sequence[str],
        claims: Mapping[str, Path],
        changed: Callable[[], None],
        warn: Callable[[str], None],
        unlimited: Callable[[OSError], None],
    ) -> None:
        """`changed` is called after every change of `body`, `warn` with each warning of the worker, `unlimited` where
        the memory limit cannot be enforced.
        """
        now = datetime.now(UTC)
        metadata = {**manifest["metadata"], "uid": str(uuid.uuid4()), "creationTimestamp": now.isoformat()}
        self._spec = {**manifest["spec"], "nodeName": NODE_NAME}
        self._metadata: dict[str, Any] = metadata
        self._status = pod_status.starting(now)
        self._command = command
        self._claims = claims
        self._changed = changed
        self._unlimited = unlimited
        self._deleted, self._asked, self._expired = asyncio.Event(), asyncio.Event(), False
        self._process: Process | None = None
        self.log = WorkerLog(warn)

    @property
    def body(self) -> dict[str, Any]:
        """The pod as an API object."""
        return {"metadata": self._metadata, "spec": self._spec, "status": self._status}

    @property
    def name(self) -> str:
        """The pod's name."""
        return str(self._metadata["name"])

    async def deleted(self) -> None:
        """Wait until somebody has deleted the pod."""
        await self._deleted.wait()

    def delete(self) -> None:
        """Ask for the pod's end, within its grace period."""
        if not self._deleted.is_set():
            self._metadata = {**self._metadata, "deletionTimestamp": datetime.now(UTC).isoformat()}
            self._deleted.set()
            self._asked.set()
            self._changed()

    def expire(self) -> None:
        """The pod's deadline has passed: end it within its grace period."""
        self._expired = self._expired or not self._asked.is_set()
        self._asked.set()

    def kill(self) -> None:
        """End the pod at once."""
        self.delete()
        if self._process is not None:
            self._process.kill()

    async def run(self) -> None:
        """Start the worker and follow it to its end. Never raises: whatever goes wrong ends the pod."""
        with _workspace() as (scratch, message):
            try:
                await self._run(scratch, message)
            except Exception as error:  # a bug must end the attempt too: nothing else would, and the job would wait
                self._end(launcher.CANNOT_START, "StartError", f"cannot run the worker: {error!r}")

    async def _run(self, scratch: Path, message: Path) -> None:
        environment = {**os.environ, ENVIRONMENT_VARIABLE: self._document(scratch, message)}
        process = self._process = Process(self._command, environment, scratch)
        group = self._limit_memory(process.number)
        try:
            async with process.output() as output:
                reading = asyncio.create_task(self.log.read(output))
                process.go()
                self._become(pod_status.running(self._status, datetime.now(UTC)))
                await self._until_over(process)
                await asyncio.wait({reading}, timeout=_LOG_SECONDS)
                reading.cancel()
        finally:
            process.kill()
            killed = group is not None and group.kills > 0
            if group is not None:
                await group.end()
        exit_code = pod_status.exit_code_of(await process.wait())
        reason = "OOMKilled" if killed else "Completed" if exit_code == 0 else "Error"
        self._end(exit_code, reason, self._last_words(message, exit_code))

    async def _until_over(self, process: Process) -> None:
        """Wait for the process to end; once somebody or its deadline asks for its end, see to it that it comes."""
        exited, asked = asyncio.create_task(process.wait()), asyncio.create_task(self._asked.wait())
        deadline = asyncio.get_running_loop().call_later(self._spec["activeDeadlineSeconds"], self.expire)
        await asyncio.wait({exited, asked}, return_when=asyncio.FIRST_COMPLETED)
        deadline.cancel()
        asked.cancel()
        if not exited.done():
            process.terminate()
            await asyncio.wait({exited}, timeout=self._spec["terminationGracePeriodSeconds"])
            process.kill()
        await exited

    def _limit_memory(self, process: int) -> MemoryGroup | None:
        (container,) = self._spec["containers"]
        limit = parse_bytes(container["resources"]["limits"]["memory"])
        try:
            group = MemoryGroup.create(self.name, limit)
        except OSError as error:
            self._unlimited(error)
            return None
        try:
            group.add(process)
        except OSError as error:
            self._unlimited(error)
            group.remove()
            return None
        return group

    def _document(self, scratch: Path, message: Path) -> str:
        """The worker's document with the folders of this machine in place of the mount points.

        The container's other variables are a store's credentials, out of a Secret: here they are the user's own.
        """
        (container,) = self._spec["containers"]
        (text,) = (entry["value"] for entry in container["env"] if entry["name"] == ENVIRONMENT_VARIABLE)
        document = WorkerDocument.model_validate_json(text)
        volumes = {volume["name"]: self._folder(volume, scratch) for volume in self._spec["volumes"]}
        mounts = {mount["mountPath"]: str(volumes[mount["name"]]) for mount in container["volumeMounts"]}
        folders = document.folders
        names = ("input", "output", "scratch")
        here = {name: mounts[where] for name in names if (where := getattr(folders, name)) in mounts}
        folders = folders.model_copy(update={**here, "termination_message": str(message)})
        # Nobody evicts a process for its temporary files: the file system's size is the limit.
        limits = document.limits.model_copy(update={"scratch_bytes": None})
        return document.model_copy(update={"folders": folders, "limits": limits, "port": 0}).model_dump_json(
            by_alias=True, exclude_none=True
        )

    def _folder(self, volume: Mapping[str, Any], scratch: Path) -> Path:
        claim = volume.get("persistentVolumeClaim")
        return scratch if claim is None else self._claims[claim["claimName"]]

    def _last_words(self, message: Path, exit_code: int) -> str:
        """The termination message; for a worker that left none, the end of its log (FallbackToLogsOnError)."""
        with contextlib.suppress(OSError), message.open(errors="replace") as file:
            if words := file.read(MAXIMUM_REPORT_BYTES):
                return words
        return self.log.tail[-1].message if exit_code and self.log.tail else ""

    def _end(self, exit_code: int, reason: str, message: str) -> None:
        now, deadline = datetime.now(UTC), self._expired
        self._become(
            pod_status.ended(self._status, now, exit_code=exit_code, reason=reason, message=message, deadline=deadline)
        )

    def _become(self, status: dict[str, Any]) -> None:
        self._status = status
        self._changed()


@contextlib.contextmanager
def _workspace() -> Iterator[tuple[Path, Path]]:
    """A folder for scratch and a file for the termination message, for as long as the pod runs."""
    with tempfile.TemporaryDirectory(prefix="spectrogram-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder, "scratch")
        scratch.mkdir()
        yield scratch, Path(folder, "termination-log")
