"""Permissions stop root too, as they stop a worker's user."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_VERSION = 0x2008_0522
_EXEMPTIONS = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH (linux/capability.h)."""


@contextmanager
def obeying_permissions() -> Iterator[None]:
    """Within, this thread has of files no more than their modes grant it."""
    library = ctypes.CDLL(None, use_errno=True)
    head, sets = (ctypes.c_uint32 * 2)(_VERSION, 0), (ctypes.c_uint32 * 6)()
    assert library.capget(head, sets) == 0
    effective = sets[0]
    sets[0] = effective & ~_EXEMPTIONS
    assert library.capset(head, sets) == 0
    try:
        yield
    finally:
        sets[0] = effective
        assert library.capset(head, sets) == 0
