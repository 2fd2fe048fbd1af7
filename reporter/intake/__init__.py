"""The ways in. A file here turns a foreign message into one of our commands, and does nothing else.

What a message means for an incident is decided in `core`; who stored it when is the business of `engine`. The
readers (`ijson`, `envelope`, `cap`) are pure: bytes in, values or a list of problems out, no clock, no I/O.
"""
