"""What hypothesis chooses from in a life: who acts, what people want, which requests something befalls."""

from typing import Any

from hypothesis import strategies as st

from harness.api_store import PODS
from spectrogram_operator.api.names import PLURAL
from unit.operator.control.world import NAMESPACES

CASTS = {
    "one operator": ("one",),
    "two, of which one has the lease": ("one", "two"),
    "two that both act": ("everybody", "everybody"),
}

WISHES: dict[str, dict[str, Any]] = {
    "suspend": {"suspend": True},
    "resume": {"suspend": False},
    "cancel": {"cancelled": True},
    "go soon": {"ttlSecondsAfterFinished": 30},
    "stay": {"ttlSecondsAfterFinished": 86_400},
}
numbers = st.integers(0, 5)
pauses = st.sampled_from([0.1, 1.0, 5.0, 11.0, 35.0, 130.0, 600.0])
namespaces = st.sampled_from(NAMESPACES)
operators = st.sampled_from(["operator-1", "operator-2"])
requests = st.sampled_from(
    [
        ("PUT", PLURAL, True),
        ("POST", PODS, False),
        ("GET", PODS, True),
        ("GET", PODS, False),
        ("GET", PLURAL, True),
        ("GET", PLURAL, False),
        ("DELETE", PODS, True),
        ("DELETE", PLURAL, True),
        ("GET", "persistentvolumeclaims", True),
        ("PUT", "leases", True),
        ("GET", "leases", True),
        ("POST", "events", False),
    ]
)
