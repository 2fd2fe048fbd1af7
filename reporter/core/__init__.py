"""The rules, pure: no clock, no I/O, no logging. Everything here is a function of what it is handed."""
