"""Proofs that take longer than the tests: each is run by its name."""
