"""What people type at a shell."""

from dataclasses import dataclass

import pytest

from cluster.workspace import Workspace
from spectrogram_operator.cli import main as command_line


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    output: str
    errors: str


class Person:
    """Somebody at a shell, with a kubeconfig."""

    def __init__(self, workspace: Workspace, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self._workspace, self._capsys, self._patch = workspace, capsys, patch
        self.kubeconfig = workspace.client.kubeconfig

    def types(self, *words: str, namespace: str | None = "") -> Done:
        """What `spectrogram WORDS` prints; `namespace` None: not named."""
        named = [] if namespace is None else ["--namespace", namespace or self._workspace.namespace]
        self._patch.setattr("sys.argv", ["spectrogram", *words, *named])
        self._patch.setenv("KUBECONFIG", str(self.kubeconfig))
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        shown = self._capsys.readouterr()
        assert "Traceback" not in shown.err
        return Done(int(ended.value.code or 0), shown.out, shown.err)
