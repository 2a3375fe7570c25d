"""What notifications count and time."""

from prometheus_client import Counter, Gauge, Histogram

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
DELIVERY_LAG = Histogram(
    "videogen_planned_to_delivered_seconds",
    "From planning to delivery; what waited for its reader's time or for a target counts with that.",
    ["channel"],
    buckets=(0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 7200, 86_400),
)
FORGOTTEN = Counter("videogen_rows_forgotten", "Rows that went when their time was over.", ["what"])
# Of a push process that was killed, the exporter forgets them.
SOCKETS = Gauge(
    "videogen_sockets",
    "Who listens: sockets of pages; long polls and streams of programs.",
    ["kind"],
    multiprocess_mode="livesum",
)
# Where nobody listens, that is a zero, not nothing.
for _kind in ("page", "program"):
    SOCKETS.labels(kind=_kind)
# A rate sees a counter's first step only where it was zero before.
RELAYED.labels(name="webhook_endpoint.disabled")
for _what in (
    *("deliveries", "notifications", "idempotency_keys", "messages", "tickets"),
    *("images", "sessions", "exports"),
):
    FORGOTTEN.labels(what=_what)
for _channel in ("email", "web_push", "mobile_push"):
    for _outcome in ("delivered", "failed"):
        ATTEMPTS.labels(channel=_channel, outcome=_outcome)
