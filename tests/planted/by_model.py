"""Which planted bugs the model checker notices by itself, and after how many lives: `make planted MODEL=1`.

Asked of the bugs of core/ and control/ that concern the order of things, or crashes: with the third line `# model`.
Each gets the lives of the unit tier, and then those of `make model` with SEED=1, 2 and so on by the thousand, until one
breaks a rule. The answers go to docs/model.md.
"""

import os
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
PLAY = """
from planted.by_model import MOST_LIVES
from planted.run import check_copy
from unit.operator.control.model.lives import lives_until_caught
from unit.operator.control.model.test_model import LIVES, PARTS

check_copy()
lives = LIVES // PARTS
for part in range(MOST_LIVES // lives):
    caught = lives_until_caught(part, lives)
    if caught:
        print("caught", part * lives + caught)
        break
else:
    print("caught 0")
"""


def marked() -> list[Bug]:
    """The bugs that concern order and crashes."""
    return [bug for bug in all_bugs() if MARK in bug.patch.read_text()]


def lives_for(bug: Bug) -> int:
    """How many lives were played until one broke a rule; 0 where none did."""
    with tempfile.TemporaryDirectory() as folder:
        environment = copied_with(bug, Path(folder))
        command = [sys.executable, "-c", PLAY]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS
        )
    return int(done.stdout.rpartition("caught ")[2])


def row(bug: Bug, lives: int) -> str:
    """One line of the table."""
    return f"| {bug.patch.parent.name}/{bug.name} | {bug.harm} | {lives or 'not'} |"


def main() -> int:
    """The exit code: 0 where all are caught."""
    bugs, rows, escaped = marked(), [], 0
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for bug, lives in zip(bugs, pool.map(lives_for, bugs), strict=True):
            escaped += not lives
            rows.append(row(bug, lives))
            print(rows[-1], flush=True)
    before, _, rest = PAGE.read_text().partition(BEGIN)
    table = ["| bug | harm | caught by life |", "|---|---|---|", *rows]
    PAGE.write_text(before + BEGIN + "\n".join(table) + "\n" + END + rest.partition(END)[2])
    print(f"{len(bugs) - escaped} of {len(bugs)} bugs were caught")
    return 1 if escaped else 0


if __name__ == "__main__":
    os.environ.pop("MODEL_LIVES", None)
    sys.exit(main())
