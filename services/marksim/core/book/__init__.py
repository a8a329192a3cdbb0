"""The limit order book: record types, compiled kernel, and the plain twin that specifies it."""
