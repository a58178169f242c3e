"""A real Kubernetes cluster on this machine, for tests: control plane, node, images, and the means to talk to them.

Nothing here may stand in for Kubernetes but what says so in its name or its room: `api/` plays the API server for what
a real one cannot be made to show, and has to answer as a real one does. Every other answer that a test gets comes from
the released parts themselves.
"""
