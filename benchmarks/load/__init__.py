"""What the API bears with a full database: polling, listing and uploading, from this machine."""
