"""`cleanup`: says in status what an operator would have said, where none runs.

It judges as the operator does, by the same functions, and writes over the version that it has read: beside an operator
that runs it does no harm (rule 13).
"""
