"""The `unlearnable` command: for owners of data, and to run the whole stack on one machine.

`owner/` is what owners do with any service, `stack/` starts and stops the processes of `up`,
`demo/` is the guided tour. Commands speak to the service through the Python client (`unlearnable/`)
like every other data owner: nothing here reads the database, trains or protects.
"""
