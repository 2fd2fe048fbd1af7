"""The tables: what is durable, and the only place that writes SQL."""
