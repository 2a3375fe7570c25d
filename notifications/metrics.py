"""What notifications count and time."""

from prometheus_client import Counter, Histogram

RELAYED = Counter("videogen_events_relayed", "Events relayed to subscribers and sockets.", ["name"])
RELAY_LAG = Histogram(
    "videogen_relay_lag_seconds",
    "Time from an event's commit to its relay, of the oldest of each batch.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120),
)
PARKED = Counter(
    "videogen_events_parked", "Events that a subscriber could not hear.", ["name", "subscriber"]
)
ATTEMPTS = Counter("videogen_delivery_attempts", "Tries of deliveries.", ["channel", "outcome"])
