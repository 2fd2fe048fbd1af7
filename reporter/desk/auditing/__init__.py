"""The audit page: what was asked for, what is drawn, and the evidence of one case."""
