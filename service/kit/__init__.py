"""What every noun of the API shares: problems, keys, request ids, limits, headers and pages.

Nothing here knows a dataset or a job; what does belongs to the noun's own folder.
"""
