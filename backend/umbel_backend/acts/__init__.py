"""The only door to change: who may do what, what was done, and what was seen to come of it."""
