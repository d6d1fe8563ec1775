"""The embedded stack: PostgreSQL, Valkey, SeaweedFS, the API, the workers and the sweeper.

Here lives how those processes are started, watched and ended on one machine, and the one folder
that holds everything they write. What they do inside is not known here, nor is anything printed.
Import from the modules themselves: the guardian runs from this package and must stay light.
"""
