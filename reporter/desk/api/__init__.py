"""The routes of contract section 4, one file per subject; each has `router(desk)`."""
