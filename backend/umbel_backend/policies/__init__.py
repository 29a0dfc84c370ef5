"""Policies: what they say, where they are stored, and how workers learn of them."""
