"""The suite of an outsider: real processes, a bare NATS client, HTTP, and the contract; nothing of ours."""
