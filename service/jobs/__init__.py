"""Jobs: asking for the protection of a dataset, following it, and calling it off.

What a job does is the worker's; here are its wishes checked and its state told.
"""
