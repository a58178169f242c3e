"""An operator whose clock is $SKEW_HOURS ahead of this machine's, or behind. Run as a module."""

import os
from datetime import datetime, timedelta
from functools import partial

import spectrogram_operator.__main__ as operator_main
from spectrogram_operator.control.service import Service, utc_now


def skewed() -> datetime:
    """Now, by its clock."""
    return utc_now() + timedelta(hours=float(os.environ["SKEW_HOURS"]))


if __name__ == "__main__":
    setattr(operator_main, "Service", partial(Service, clock=skewed))  # noqa: B010
    operator_main.main()
