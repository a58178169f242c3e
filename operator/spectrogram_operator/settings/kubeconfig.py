"""What is wrong with a kubeconfig that cannot be used, in one line: the client libraries raise whatever comes first."""

import yaml

from spectrogram_worker.contract.report import clean_text

NO_KUBECONFIG = "this is no kubeconfig"
# Of a file that is no YAML, of a list where a mapping belongs, of a certificate that is none, of a token that is none.
KUBECONFIG_ERRORS = (yaml.YAMLError, TypeError, AttributeError, LookupError, ValueError, OSError)


def why_unusable(error: Exception) -> str:
    """What to tell people: errors of Python's own say nothing to them."""
    if isinstance(error, yaml.YAMLError | TypeError | AttributeError | LookupError | UnicodeDecodeError):
        return NO_KUBECONFIG
    return clean_text(str(error), 512)
