"""The live board: what is open now, how it looks, and who is told of a change. It decides nothing: it shows."""
