"""The second part of `helm test`: submits a job over the tone, waits for its end, and removes it if it succeeded."""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
HOST = os.environ["KUBERNETES_SERVICE_HOST"]
SERVER = f"https://{f'[{HOST}]' if ':' in HOST else HOST}:{os.environ['KUBERNETES_SERVICE_PORT']}"
JOBS = f"{SERVER}/apis/spectrogram.dev/v1beta1/namespaces/{os.environ['NAMESPACE']}/spectrogramjobs"
NAME = os.environ["NAME"]
JOB = {
    "apiVersion": "spectrogram.dev/v1beta1",
    "kind": "SpectrogramJob",
    "metadata": {"name": NAME},
    "spec": {
        "input": {"claimName": os.environ["CLAIM"], "path": "spectrogram-test/tone.wav"},
        "transform": {"fftSize": 256, "hopSize": 128},
        "output": {"claimName": os.environ["CLAIM"], "path": "spectrogram-test/results"},
    },
}


def ask(method, url, body=None):
    """The answer of the API server; None where there is no such object."""
    request = urllib.request.Request(url, method=method, data=json.dumps(body).encode() if body else None)
    request.add_header("Authorization", f"Bearer {(ACCOUNT / 'token').read_text()}")
    request.add_header("Content-Type", "application/json")
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    try:
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 404 and method != "POST":
            return None
        sys.exit(f"{method} {url}: {error.code} {error.read().decode(errors='replace')}")


ask("DELETE", f"{JOBS}/{NAME}")
while ask("GET", f"{JOBS}/{NAME}"):
    time.sleep(1)
ask("POST", JOBS, JOB)
said = ""
while True:
    status = ask("GET", f"{JOBS}/{NAME}").get("status") or {}
    line = " ".join(str(status.get(field) or "") for field in ("phase", "reason", "message")).strip()
    if line != said:
        print(line, flush=True)
    said = line
    if status.get("completionTime"):
        break
    time.sleep(1)
if status["phase"] != "Succeeded":
    sys.exit(f"look at it: kubectl --namespace {os.environ['NAMESPACE']} get spectrogramjob {NAME} --output=yaml")
ask("DELETE", f"{JOBS}/{NAME}")
