"""An operator that believes to be the same as every other of its kind, and so to have their leases. Run as a module."""

import spectrogram_operator.__main__ as operator_main

if __name__ == "__main__":
    setattr(operator_main, "identity", lambda settings: "twin")  # noqa: B010
    operator_main.main()
