"""Files that are named as a kubeconfig and cannot be used as one."""

_CONTEXT = "current-context: lab\ncontexts: [{name: lab, context: {cluster: lab, user: me}}]\n"
_CLUSTER = "clusters: [{name: lab, cluster: {server: 'https://lab.example.org'%s}}]\n"
_USER = "users: [{name: me, user: {%s}}]\n"


def _kubeconfig(cluster: str = "", user: str = "token: secret") -> bytes:
    return (_CONTEXT + _CLUSTER % cluster + _USER % user).encode()


UNUSABLE = {
    "empty": b"",
    "a word": b"vm\n",
    "a number": b"1234\n",
    "a truth": b"yes\n",
    "a date": b"2026-01-01\n",
    "a list": b"[1, 2]\n",
    "another mapping": b"a: 1\n",
    "a tab": b"a:\n\tb: 1\n",
    "two colons": b"a: b: c\n",
    "an open bracket": b"[vm\n",
    "a tag of Python's": b"!!python/object:os.system x\n",
    "an alias": b"*vm\n",
    "two documents": b"a: 1\n---\nb: 2\n",
    "bytes": bytes(range(256)),
    "another encoding": "a: 1\n".encode("utf-16"),
    "a number of contexts": b"current-context: lab\ncontexts: 1\nclusters: 1\nusers: 1\n",
    "contexts that are words": b"current-context: lab\ncontexts: [lab]\nclusters: [lab]\nusers: [me]\n",
    "a server that is a number": _kubeconfig().replace(b"'https://lab.example.org'", b"1"),
    "a certificate that is missing": _kubeconfig(", certificate-authority: /nowhere/ca.crt"),
    "a certificate that is no base64": _kubeconfig(", certificate-authority-data: abc"),
    "a provider that nobody knows how to ask": _kubeconfig(user="auth-provider: {name: gcp}"),
}
