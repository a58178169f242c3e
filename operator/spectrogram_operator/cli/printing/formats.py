"""What --output takes."""

from enum import StrEnum


class Format(StrEnum):
    """Of a command that lists."""

    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class ProgramFormat(StrEnum):
    """Of a command that explains: for programs."""

    JSON = "json"
    YAML = "yaml"


class NameFormat(StrEnum):
    """Of a command that makes something."""

    NAME = "name"
