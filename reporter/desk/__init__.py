"""The desk and the HTTP API. Reads through `store`, writes only through the gate it is handed."""
