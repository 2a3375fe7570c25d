"""The ways of reaching people, as people, programs and operators see them: whether each works here, and why not."""

from dataclasses import dataclass, field

from notifications import push_targets, vapid
from notifications.channels import registry

IN_APP = "in_app"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A channel. `problem` is empty where it works; `public_key` is what browsers subscribe with."""

    name: str
    problem: str = ""
    details: dict[str, str] = field(default_factory=dict)

    @property
    def is_available(self) -> bool:
        """Say whether it works."""
        return not self.problem


def of() -> list[Listed]:
    """List all of them; the notification centre needs nothing."""
    return [Listed(name=IN_APP), *map(_listed, registry.channels())]


def _listed(name: str) -> Listed:
    problem = registry.channels()[name].problem()
    details = {"public_key": vapid.public_key()} if name == push_targets.WEB and not problem else {}
    return Listed(name=name, problem=problem, details=details)
