"""`unlearnable demo`: real images through the real API, with the proof at the end.

Here lives the journey of one data owner (upload, job, poll, evaluation, download) and how it is
shown. It uses the HTTP API alone, and checks the bytes it got by itself instead of trusting what
it was told.
"""
