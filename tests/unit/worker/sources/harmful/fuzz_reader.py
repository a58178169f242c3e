"""A process that opens and reads whatever it is sent, a line of JSON each.

`python -m unit.worker.sources.harmful.fuzz_reader` starts it. It has little memory to spare, and notes every file and
folder outside the recording's root that Python opens.
"""

import json
import os
import resource
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from spectrogram_worker.contract.parameters import RecordingSelection
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.sources import open_recording
from spectrogram_worker.sources.selection import sample_time, select
from spectrogram_worker.storage.claim_store import ClaimStore

SPARE_BYTES = 192 * 2**20
READ_SAMPLES = 20_000


def look(root: Path, fields: dict[str, Any]) -> dict[str, Any]:
    """Open the recording and read its beginning, middle and end; returns what came of it."""
    selection = RecordingSelection.model_validate(fields)
    try:
        with closing(open_recording(ClaimStore(root), selection)) as recording:
            found = recording.description
            selected = select(found, selection.range)
            sample_time(found, selected.start)
            count = min(selected.count, READ_SAMPLES)
            samples = np.empty(count, np.complex64 if found.is_complex else np.float32)
            with closing(recording.reader()) as reader:
                for start in (0, (selected.count - count) // 2, selected.count - count):
                    missing = reader.read(selected.start + start, samples)
                    assert missing is None or (missing.shape == (count,) and not samples[missing].any())
            assert found.length > 0
            assert found.sample_rate > 0
            json.dumps([found.name, found.center_frequency, found.sample_type], allow_nan=False).encode()
    except WorkerError as error:
        return {"code": error.code, "message": str(error)}
    except Exception as error:
        return {"unexpected": f"{type(error).__name__}: {error}"}
    return {"code": 0, "message": ""}


def memory(field: str) -> int:
    """A size in bytes that the kernel tells of this process: VmRSS now, VmHWM the most there was."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{field}:"))
    return 1024 * int(line.split()[1])


def forget_peak() -> int:
    """From here on VmHWM is the most from here on; returns VmRSS."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


class Guard:
    """What is opened outside `root`, noted by an audit hook, and a limit on memory; both while `armed`."""

    def __init__(self) -> None:
        self.armed = False
        self.root = Path()
        self.outside: list[str] = []
        self._own = tuple(map(str, (sys.prefix, sys.base_prefix, Path(__file__).parents[5], f"/proc/{os.getpid()}/")))
        sys.addaudithook(self._watch)

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        if (
            self.armed
            and event in ("open", "os.listdir", "os.scandir")
            and isinstance(arguments[0], str | bytes | Path)
        ):
            path = Path(os.fsdecode(arguments[0])).resolve()
            if not path.is_relative_to(self.root) and not str(path).startswith(self._own):
                self.outside.append(f"{event} {path}")

    def disarm(self, root: Path) -> None:
        """A good recording comes: what reading it loads is loaded without limits."""
        self.armed, self.root = False, root.resolve()
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def arm(self) -> None:
        """From here on nothing outside may be opened, and little memory may be added."""
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + SPARE_BYTES, resource.RLIM_INFINITY))
        self.armed = True


def main() -> None:
    """Answer until standard input ends: {"root": FOLDER, "good": True, "selection": …} comes before damaged ones."""
    guard = Guard()
    for line in sys.stdin:
        request = json.loads(line)
        if request["good"]:
            guard.disarm(Path(request["root"]))
        before = forget_peak()
        answer = look(Path(request["root"]), request["selection"])
        answer["peak"] = memory("VmHWM") - before
        if request["good"]:
            guard.arm()
        print(json.dumps(answer | {"outside": guard.outside}), flush=True)
        guard.outside.clear()


if __name__ == "__main__":
    main()
