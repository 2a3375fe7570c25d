"""The one way that starting can fail: a reason and a remedy, in one line."""


class StartFailed(Exception):
    """Something of this machine prevents the start. The text is shown to the person as it is."""
