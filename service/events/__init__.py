"""Events: what happened to a job and when, as a list and as a stream."""
