"""Faults that are tried on a running stack, at random moments.

`parts` is the stack whose parts can be hurt, `owner` the data owner who meets the service over
HTTP, `kinds` holds the faults, `trial` one round of them, `checks` what must hold afterwards, and
`report` the figures.
"""
