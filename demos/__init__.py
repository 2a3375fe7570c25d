"""Demonstrations on the running stack: something goes wrong, and what the system does about it."""
