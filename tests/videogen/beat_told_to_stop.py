"""A scheduler of beat that is told to stop while it sends something."""

import signal
from typing import Any

from videogen.ticker import Ticker


class Told(Ticker):
    """Says `sent` behind each sending that was carried to its end."""

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        signal.raise_signal(signal.SIGTERM)
        print("sent", flush=True)
