"""The SpectrogramJob as types: source of the CRD, of the documentation and of what the planner reads."""
