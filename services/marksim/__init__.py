"""marksim: a synthetic exchange."""
