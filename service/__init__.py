"""The API, one folder per noun: datasets, jobs, evaluations, artifacts, health.

In each folder `endpoints` speaks HTTP, `schemas` says what goes over the wire, `service` decides,
and `repository` holds every query, each bound to one tenant; what several nouns share is in `kit`.
Stands on `core` only. Torch, numpy, Pillow, the engine and the worker may not be imported here:
the process starts in a second and never decodes what owners upload.
"""
