"""Tracking, as a run sees it: what a tracker is, and the process that delivers to trackers."""
