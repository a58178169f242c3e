"""The operator's settings: what the platform team may decide, read from the environment once, at start."""

from spectrogram_operator.settings.catalogue import SETTINGS, Setting
from spectrogram_operator.settings.reading import Row, Settings, SettingsError, read_settings, show_settings

__all__ = ["SETTINGS", "Row", "Setting", "Settings", "SettingsError", "read_settings", "show_settings"]
