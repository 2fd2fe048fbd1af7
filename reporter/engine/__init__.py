"""What makes things happen: the one transaction, the doorbell, the word of the broker, the outbox, the notices."""
