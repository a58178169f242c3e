"""Jobs that Kueue queues: it admits their pods, one by one, where the platform team lets jobs name its queues.

Kueue holds back the pods of a queue of its own by a scheduling gate that it puts on them when they are created. Here
they have the gate from the beginning: so no pod escapes the pools' limits where Kueue is away, or is not asked.
"""

from typing import Any

from spectrogram_operator.api.names import KUEUE_GATE, KUEUE_QUEUE
from spectrogram_operator.api.spec import SpectrogramJobSpec
from spectrogram_operator.core.policy import Policy


def refused_queue_name(spec: SpectrogramJobSpec, policy: Policy) -> str:
    """Why the job may not name a queue of Kueue's, or an empty string."""
    if spec.queue_name is None or policy.kueue:
        return ""
    return (
        "spec.queueName: the platform team does not leave queueing to Kueue (the chart's settings.kueue): remove"
        " queueName, and the operator queues the job"
    )


def queue_label(spec: SpectrogramJobSpec) -> dict[str, str]:
    """The label that tells Kueue which queue the pod waits in."""
    return {} if spec.queue_name is None else {KUEUE_QUEUE: spec.queue_name}


def gates(spec: SpectrogramJobSpec) -> dict[str, Any]:
    """What of the pod's spec keeps it from the scheduler until Kueue admits it."""
    return {} if spec.queue_name is None else {"schedulingGates": [{"name": KUEUE_GATE}]}
