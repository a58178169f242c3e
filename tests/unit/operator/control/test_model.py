"""Some hundred lives that hypothesis chooses; `make model` plays ten thousand, others each time."""

import os

from hypothesis import HealthCheck, Phase, settings

from unit.operator.control.model import Life

MODEL_LIVES = "MODEL_LIVES"
"""How many `make model` plays, each time others."""
STEPS = 25

TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=int(os.environ.get(MODEL_LIVES) or 200),
    stateful_step_count=STEPS,
    derandomize=MODEL_LIVES not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
    print_blob=True,
)
