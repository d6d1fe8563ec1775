"""Commands of data owners: protect, apply, evaluate, and looking after datasets and jobs.

Each command is a function here and speaks through `unlearnable`, the Python client. Results go to
standard output, what happens on the way to standard error; with `--json` the result is one JSON
object and nothing is told on the way.
"""
