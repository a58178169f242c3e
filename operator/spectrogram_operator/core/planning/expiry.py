"""When a job that is over goes, its record with it: the rule of Kubernetes' own Jobs."""

from datetime import datetime, timedelta

from spectrogram_operator.core.policy import Policy


def expires(ended: datetime | None, ttl_seconds: int | None, policy: Policy) -> datetime | None:
    """When a job that ended then is to be deleted; None: never.

    `ttl_seconds` is what the job says (0: at once), and goes before the default of the platform team. An end at a time
    to come, by a clock that was ahead, only makes it later.
    """
    seconds = policy.default_ttl_seconds if ttl_seconds is None else ttl_seconds
    if ended is None or seconds is None:
        return None
    return ended + timedelta(seconds=seconds)
