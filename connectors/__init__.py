"""Venues: one folder each, the same files in each. They translate and sign; they decide nothing."""
