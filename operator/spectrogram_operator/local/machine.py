"""The platform team's policy on one machine: no node pools, so a job may have as much memory as there is."""

from dataclasses import replace

import psutil

from spectrogram_operator.api.spec import SpectrogramJobSpec
from spectrogram_operator.core.building.sizing import requested_memory
from spectrogram_operator.core.policy import Policy

_LOOK_SECONDS = 0.5
"""Between two looks at a worker: nothing is shared here that polling could wear out, and a person watches."""


def policy_of_this_machine(policy: Policy, spec: SpectrogramJobSpec) -> Policy:
    """The policy for a run of this job here: the pools' default sizes stay, their limits do not; nobody queues."""
    most = max(psutil.virtual_memory().total, requested_memory(spec) or 0)
    pools = {
        queue: replace(pool, max_memory_bytes=max(most, pool.memory_bytes), max_concurrent=max(1, pool.max_concurrent))
        for queue, pool in policy.pools.items()
    }
    return replace(
        policy,
        pools=pools,
        kueue=True,
        poll_seconds=min(policy.poll_seconds, _LOOK_SECONDS),
        status_seconds=min(policy.status_seconds, _LOOK_SECONDS),
    )
