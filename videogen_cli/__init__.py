"""The command `videogen`: submit, follow and fetch videos from a terminal. Needs Python only."""
