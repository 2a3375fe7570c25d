"""What jobs count. Labels are bounded: tiers, pools, states and failure kinds."""

from prometheus_client import Counter

SUBMISSIONS = Counter(
    "videogen_submissions", "Requests to generate, by outcome.", ["tier", "outcome"]
)
ATTEMPTS = Counter("videogen_attempts", "Attempts that ended, by outcome.", ["pool", "outcome"])
RECOVERIES = Counter(
    "videogen_recoveries",
    "Stuck attempts that were ended, by cause and by what the backend said.",
    ["pool", "cause", "truth"],
)
