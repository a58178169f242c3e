"""Which kernel computes a plan: the compiled one wherever it can. All frames of a job go through the same kernel."""

import ctypes

from spectrogram_worker.spectrum import compiled_kernel
from spectrogram_worker.spectrum.framing import Framing
from spectrogram_worker.spectrum.power import PowerKernel, PowerPlan


def _library_for(plan: PowerPlan) -> ctypes.CDLL | None:
    return compiled_kernel.load_library() if compiled_kernel.can_compute(plan) else None


def kernel_name(plan: PowerPlan) -> str:
    """Which kernel it is: results of two kernels differ in their last bits."""
    return "scipy.fft" if _library_for(plan) is None else "compiled"


def is_missing(plan: PowerPlan) -> bool:
    """True where the compiled kernel is for this plan, but was not built."""
    return compiled_kernel.can_compute(plan) and compiled_kernel.load_library() is None


def new_kernel(plan: PowerPlan, framing: Framing) -> PowerKernel:
    """A kernel for one thread."""
    if (library := _library_for(plan)) is not None:
        return compiled_kernel.CompiledKernel(plan, library)
    from spectrogram_worker.spectrum.scipy_kernel import ScipyKernel  # 0.1 s and 40 MB, which few jobs need

    return ScipyKernel(plan, batch_blocks=framing.batch_blocks, frames=framing.batch_frames)


def frames_at_a_time(plan: PowerPlan) -> int:
    """How many frames a kernel should be given at least: with fewer it takes as long."""
    if (library := _library_for(plan)) is not None:
        return compiled_kernel.lanes_for(plan, library)
    return 1


def memory_bytes(plan: PowerPlan, framing: Framing) -> tuple[int, int]:
    """Memory of each thread's kernel, and what all threads share, in bytes."""
    if (library := _library_for(plan)) is not None:
        return compiled_kernel.memory_bytes(plan, library), 0
    from spectrogram_worker.spectrum import scipy_kernel

    return scipy_kernel.memory_bytes(plan, framing.batch_frames)
