"""How a worker ends: one exit code, one reason. The operator judges a pod by these; never renumber."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit status of the worker process. 64–78 follow sysexits.h; 1, 2 and 126–165 stay free for shells and signals."""

    DONE = 0
    INVALID_SPEC = 64
    INPUT_INVALID = 65
    INPUT_NOT_FOUND = 66
    INTERNAL_ERROR = 70
    OUTPUT_NOT_WRITABLE = 73
    IO_ERROR = 74
    TRANSIENT_ERROR = 75
    WORKER_CONFIG_ERROR = 78
    MEMORY_ERROR = 82
    MEMORY_SAFEGUARD_EXCEEDED = 83
    SOFT_TIME_LIMIT_EXCEEDED = 84
    INTERRUPTED = 85
    OUTPUT_NO_SPACE = 86
    REROUTE_LARGE = 87

    @property
    def reason(self) -> str:
        """The reason as status, events and the termination message write it."""
        return _REASONS[self]


_REASONS = {
    ExitCode.DONE: "Completed",
    ExitCode.INVALID_SPEC: "InvalidSpec",
    ExitCode.INPUT_INVALID: "InputInvalid",
    ExitCode.INPUT_NOT_FOUND: "InputNotFound",
    ExitCode.INTERNAL_ERROR: "InternalError",
    ExitCode.OUTPUT_NOT_WRITABLE: "OutputNotWritable",
    ExitCode.IO_ERROR: "IOError",
    ExitCode.TRANSIENT_ERROR: "TransientError",
    ExitCode.WORKER_CONFIG_ERROR: "WorkerConfigError",
    ExitCode.MEMORY_ERROR: "MemoryError",
    ExitCode.MEMORY_SAFEGUARD_EXCEEDED: "MemorySafeguardExceeded",
    ExitCode.SOFT_TIME_LIMIT_EXCEEDED: "SoftTimeLimitExceeded",
    ExitCode.INTERRUPTED: "Interrupted",
    ExitCode.OUTPUT_NO_SPACE: "OutputNoSpace",
    ExitCode.REROUTE_LARGE: "RerouteLarge",
}
