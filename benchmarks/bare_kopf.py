"""kopf with one event handler for jobs and one for pods, which do nothing: what kopf itself costs. Run by rates.py.

`python -m benchmarks.bare_kopf NAMESPACE` watches until it is killed; the kubeconfig is $KUBECONFIG.
"""

import sys

import kopf

from spectrogram_operator.api.names import GROUP, LABEL_JOB_UID, PLURAL, VERSION


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, **_: object) -> None:
    """As the operator watches: the pods of jobs alone, and no events posted."""
    settings.watching.label_selectors["", "v1", "pods"] = LABEL_JOB_UID
    settings.posting.enabled = False
    settings.scanning.disabled = True


@kopf.on.event(GROUP, VERSION, PLURAL)
@kopf.on.event("", "v1", "pods")
async def seen(**_: object) -> None:
    """Nothing."""


if __name__ == "__main__":
    kopf.run(namespaces=[sys.argv[1]], standalone=True)
