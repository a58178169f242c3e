"""How a command says that it cannot go on."""


class CommandError(Exception):
    """Ends the command with `exit_code`; each line says one thing that must change."""

    def __init__(self, *lines: str, exit_code: int) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.exit_code = exit_code


WRONG_USAGE = 2
"""Exit code for a command that was called wrongly."""
