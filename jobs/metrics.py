"""What jobs count on their way. Labels are bounded: tiers, pools, outcomes. What history tells is counted there."""

from prometheus_client import Counter

SUBMISSIONS = Counter(
    "videogen_submissions", "Requests to generate, by outcome.", ["tier", "outcome"]
)
RECOVERIES = Counter(
    "videogen_recoveries",
    "Stuck attempts that were ended, by cause and by what the backend said.",
    ["pool", "cause", "truth"],
)
ORPHANS = Counter(
    "videogen_orphans",
    "Work on backends that no attempt owns, by what came of it.",
    ["pool", "outcome"],
)
WEBHOOKS = Counter(
    "videogen_backend_webhooks", "Messages of backends, by what they were.", ["pool", "outcome"]
)
POLLS = Counter(
    "videogen_polls", "Questions to backends, by whether they were answered.", ["pool", "outcome"]
)
