"""A shop and LMSs on loopback that behave like the real ones, traps included."""
