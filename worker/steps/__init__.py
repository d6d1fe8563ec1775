"""One file per step. Each has `run(context)`: take what earlier steps wrote, do the work, say how
far it is, put what it made under the attempt's own prefix, and return what later steps need.

A step changes no state: `worker.flow` writes the result down and decides what follows.
"""
