"""Series that users bring in files: read, checked, kept."""
