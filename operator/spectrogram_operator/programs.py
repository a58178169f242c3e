"""Entry points of the operator and of the command line, whichever extras are installed."""

from spectrogram_worker.contract.extras import load


def operator() -> object:
    """`spectrogram-operator`."""
    return load("spectrogram_operator.__main__", program="spectrogram-operator", extra="operator")()


def command_line() -> object:
    """`spectrogram` and `kubectl-spectrogram`."""
    return load("spectrogram_operator.cli.main", program="spectrogram", extra="cli")()


def kubectl_completion() -> object:
    """`kubectl_complete-spectrogram`, which kubectl calls for the words of its plugin."""
    return load("spectrogram_operator.cli.completion", program="kubectl_complete-spectrogram", extra="cli")()
