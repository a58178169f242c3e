"""The operator on other versions of Kubernetes than that of the tests: `make compatibility`.

Each has a module file beside the tests' own (programs/kubernetes/v1.32.mod); its control plane is built once, in some
minutes.

python -m harness.kubernetes.compatibility             all of them
python -m harness.kubernetes.compatibility 1.32 1.37   these
"""

import os
import subprocess
import sys
from pathlib import Path

from harness.programs import binaries

TESTS = Path(__file__).resolve().parents[2]
# The definition, the chart from its installation to its end, and what becomes of jobs.
CHOSEN = (
    "test_control_plane.py",
    "crd",
    "chart/test_chart.py",
    "chart/test_upgrade.py",
    "lifecycle/test_outcomes.py",
    "lifecycle/test_waiting_pods.py",
    "lifecycle/test_vanishing_pods.py",
    "lifecycle/test_user_changes.py",
    "operators/test_leases.py",
)
AT_ONCE = 4


def versions() -> list[str]:
    """The minor versions that there is a module file for, oldest first."""
    minors = [file.stem.removeprefix("v") for file in binaries.MODULE.glob("v*.mod")]
    return sorted(minors, key=lambda minor: [int(part) for part in minor.split(".")])


def run(minor: str) -> tuple[bool, str]:
    """Whether the chosen tests pass on this version, and pytest's last line."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS), binaries.ANOTHER_VERSION: minor}
    made = subprocess.run([sys.executable, "-m", "harness.programs.binaries"], env=environment, cwd=TESTS.parent)
    if made.returncode:
        return False, "could not be built"
    files = [f"tests/cluster/{name}" for name in CHOSEN]
    command = [sys.executable, "-m", "pytest", "-q", f"--numprocesses={AT_ONCE}", "--dist=loadgroup", *files]
    last = ""
    with subprocess.Popen(command, env=environment, cwd=TESTS.parent, stdout=subprocess.PIPE, text=True) as tests:
        for line in tests.stdout or ():
            print(line, end="", flush=True)
            last = line.strip() or last
    return tests.returncode == 0, last


def main() -> int:
    """The exit code: 0 if all tests pass on all versions."""
    results = {minor: run(minor) for minor in sys.argv[1:] or versions()}
    print(f"\n{'Kubernetes':12}{'':8}tests")
    for minor, (passed, last) in results.items():
        print(f"{minor:12}{'ok' if passed else 'FAILED':8}{last}")
    return 0 if all(passed for passed, _ in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
