"""API keys over HTTP: made, listed, rotated and revoked by a key that may."""
