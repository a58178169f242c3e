"""Which planted bugs the model checker notices by itself, and by which life: `make planted MODEL=1`.

Asked of the bugs of core/ and control/ that concern the order of things, or crashes: with the third line `# model`.
Each gets lives from the first on, until one breaks a rule. The answers go to docs/model.md.
"""

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from planted.run import ROOT, SIDE_BY_SIDE, Bug, all_bugs, copied_with

MOST_LIVES = 10_000
LIMIT_SECONDS = 4 * 3600
PAGE = ROOT / "docs" / "model.md"
BEGIN, END = "<!-- planted -->\n", "<!-- /planted -->\n"
MARK = "\n# model\n"
PLAY = f"""
from planted.run import check_copy
from unit.operator.control.model.lives import first_caught

check_copy()
print("caught", first_caught(1, {MOST_LIVES}))
"""


def marked() -> list[Bug]:
    """The bugs that concern order and crashes."""
    return [bug for bug in all_bugs() if MARK in bug.patch.read_text()]


def caught_by(bug: Bug) -> int | None:
    """The number of the first life that breaks a rule; None where none does."""
    with tempfile.TemporaryDirectory() as folder:
        environment = copied_with(bug, Path(folder))
        command = [sys.executable, "-c", PLAY]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS
        )
    life = done.stdout.rpartition("caught ")[2].strip()
    return int(life) if life != "None" else None


def row(bug: Bug, life: int | None) -> str:
    """One line of the table."""
    return f"| {bug.patch.parent.name}/{bug.name} | {bug.harm} | {'not' if life is None else life} |"


def main() -> int:
    """The exit code: 0 where all are caught."""
    bugs, rows, escaped = marked(), [], 0
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for bug, life in zip(bugs, pool.map(caught_by, bugs), strict=True):
            escaped += life is None
            rows.append(row(bug, life))
            print(rows[-1], flush=True)
    before, _, rest = PAGE.read_text().partition(BEGIN)
    table = ["| bug | harm | caught by life |", "|---|---|---|", *rows]
    PAGE.write_text(before + BEGIN + "\n".join(table) + "\n" + END + rest.partition(END)[2])
    print(f"{len(bugs) - escaped} of {len(bugs)} bugs were caught")
    return 1 if escaped else 0


if __name__ == "__main__":
    sys.exit(main())
