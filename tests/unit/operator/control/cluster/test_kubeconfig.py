"""An operator whose kubeconfig cannot be used says so."""

import asyncio
import re
from pathlib import Path

import pytest

from spectrogram_operator.control.cluster.kubernetes import NoClusterError, connect
from unit.operator.kubeconfigs import UNUSABLE


@pytest.mark.parametrize("content", UNUSABLE.values(), ids=UNUSABLE)
def test_no_file_that_is_no_kubeconfig_is_a_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    file = tmp_path / "kubeconfig"
    file.write_bytes(content)
    monkeypatch.setenv("KUBECONFIG", str(file))
    with pytest.raises(NoClusterError, match=re.escape(str(file))) as error:
        asyncio.run(connect(lambda verb, code: None, lambda date, sent, heard: None))
    assert not re.search(r"object|NoneType", str(error.value)), "an error of Python's says nothing to people"


def test_a_certificate_that_is_none_is_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library reads certificates when it makes its client."""
    file = tmp_path / "kubeconfig"
    authority = "certificate-authority: /etc/hostname"
    file.write_text(
        "current-context: lab\ncontexts: [{name: lab, context: {cluster: lab, user: me}}]\n"
        f"clusters: [{{name: lab, cluster: {{server: 'https://lab.example.org', {authority}}}}}]\n"
        "users: [{name: me, user: {token: secret}}]\n"
    )
    monkeypatch.setenv("KUBECONFIG", str(file))
    with pytest.raises(NoClusterError, match="certificate"):
        asyncio.run(connect(lambda verb, code: None, lambda date, sent, heard: None))
