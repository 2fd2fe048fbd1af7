"""Which addresses work, for tests that have no channels."""

from reporter.core.roster import FlawOf, channel_of


def only_on(*channels: str) -> FlawOf:
    """All addresses on these channels work, and no other ones."""
    return lambda address: None if channel_of(address)[0] in channels else "no such channel"
