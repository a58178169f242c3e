"""A real Kubernetes cluster on this machine, for tests: control plane, node, images, and the means to talk to them.

Nothing here knows spectrograms, and nothing here may stand in for Kubernetes: every answer that a test gets comes from
the released parts themselves.
"""
