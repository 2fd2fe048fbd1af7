"""Handing over a shift: who hands over to whom, and the snapshot that is frozen for it."""
