"""What can go wrong with a stack, as sentences that say what to do."""


class StackError(Exception):
    """The stack cannot start, or has come down. The message is for the person at the terminal."""


class AlreadyRunning(StackError):
    """Another `up` holds this data folder."""


class Halted(StackError):
    """Asked to stop while still starting."""

    def __init__(self) -> None:
        super().__init__("Stopped before everything was ready.")
