"""Pure decisions: what a hedge is, what may be sent, what it cost. No I/O, no clock, no randomness of its own."""
