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
ORPHANS = Counter(
    "videogen_orphans",
    "Work on backends that no attempt owns, by what came of it.",
    ["pool", "outcome"],
)
COMPLETIONS = Counter(
    "videogen_completions",
    "Attempts that ended, by how that was first learned.",
    ["pool", "learned_by"],
)
WEBHOOKS = Counter(
    "videogen_backend_webhooks", "Messages of backends, by what they were.", ["pool", "outcome"]
)
POLLS = Counter(
    "videogen_polls", "Questions to backends, by whether they were answered.", ["pool", "outcome"]
)
