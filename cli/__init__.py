"""The `unlearnable` command: `up` runs the whole stack on one machine, `demo` shows what it does.

Commands live here with what they print and the small HTTP client they use; `stack/` starts and
stops the processes, `demo/` is the guided tour. Commands speak to the service over HTTP like every
other data owner: nothing here reads the database, trains or protects.
"""
