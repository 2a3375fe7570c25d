"""Whatever is sent to the API as two users: no fault of ours, no answer beside the contract, nothing of the other's.

`bin/proof api-fuzz` sends 20,000 cases that Schemathesis makes of the committed contract, valid and not, to a stack of
its own. It notes after each round how far it is, and goes on from there; `--seed`s are the numbers of the rounds.
"""

import json
import os
import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis import checks as known
from schemathesis.core.result import Ok, Result

_ROOT: Final = Path(__file__).resolve().parent.parent
_CASES: Final = 20_000
_ROUND: Final = 500
_CHECKS: Final = [
    known.not_a_server_error,
    known.status_code_conformance,
    known.content_type_conformance,
    known.response_schema_conformance,
]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One of two: a key, a word that only their prompts have, and jobs and a batch of theirs."""

    key: str
    word: str
    jobs: Sequence[str]
    batch: str


@dataclass(slots=True)
class Tally:
    """What was sent, by what came back."""

    statuses: dict[int, int] = field(default_factory=dict)
    # Calls of one user with ids of the other.
    across: int = 0

    @property
    def count(self) -> int:
        """Give how many cases there were."""
        return sum(self.statuses.values())


def settle(url: str, keys: Sequence[str]) -> tuple[User, User]:
    """Give both users jobs of their own, with prompts that tell whose they are."""
    # By chance: a constant would be found in this file by Hypothesis and sent back.
    first, second = (_settled(url, key, f"word-{secrets.token_hex(8)}") for key in keys)
    return first, second


def _settled(url: str, key: str, word: str) -> User:
    answer = requests.post(
        f"{url}/api/v1/batches",
        json={"jobs": [{"prompt": f"{word} {number}"} for number in range(3)]},
        headers={"Authorization": f"Bearer {key}"},
        timeout=30,
    )
    answer.raise_for_status()
    made = answer.json()
    jobs = [result["job"]["id"] for result in made["results"]]
    return User(key=key, word=word, jobs=jobs, batch=made["id"])


def run(url: str, users: tuple[User, User], *, cases: int, number: int) -> Tally:
    """Send so many cases of this number's seed. Raises AssertionError or a Schemathesis failure with the case."""
    document = yaml.safe_load((_ROOT / "docs" / "openapi.yaml").read_text())
    schema = schemathesis.openapi.from_dict(document)
    operations = [_readable(found) for found in schema.get_all_operations()]
    tally = Tally()
    chance = random.Random(number)  # noqa: S311 - to repeat a round, not to keep a secret
    with requests.Session() as session:
        for each, operation in enumerate(operations):
            share = cases // len(operations) + (each < cases % len(operations))
            _fuzz(operation, session, url, users, tally, chance, share=share, number=number)
    return tally


def _readable(
    found: Result[APIOperation[Any, Any, Any, Any], Any],
) -> APIOperation[Any, Any, Any, Any]:
    if not isinstance(found, Ok):
        raise TypeError(f"Schemathesis cannot read a route: {found.err()}")
    return found.ok()


def _fuzz(
    operation: APIOperation[Any, Any, Any, Any],
    session: requests.Session,
    url: str,
    users: tuple[User, User],
    tally: Tally,
    chance: random.Random,
    *,
    share: int,
    number: int,
) -> None:
    for mode, count in (
        (GenerationMode.POSITIVE, share - share // 2),
        (GenerationMode.NEGATIVE, share // 2),
    ):
        if count == 0:
            continue

        @seed(number)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=_strategy(operation, mode))
        def send(case: Case[Any]) -> None:
            _send(case, session, url, users, tally, chance)

        send()


def _strategy(
    operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode
) -> st.SearchStrategy[Case[Any]]:
    made = operation.as_strategy(generation_mode=mode)
    # A route without anything to get wrong has no invalid cases.
    return made if not made.is_empty else operation.as_strategy()


def _send(
    case: Case[Any],
    session: requests.Session,
    url: str,
    users: tuple[User, User],
    tally: Tally,
    chance: random.Random,
) -> None:
    caller, other = users if chance.random() < 0.5 else users[::-1]  # noqa: PLR2004 - each as often
    whose = chance.choice((caller, other, None))
    if whose is not None and "job_id" in (case.path_parameters or {}):
        case.path_parameters["job_id"] = chance.choice(whose.jobs)
    answer = case.call(
        base_url=url,
        session=session,
        headers={"Authorization": f"Bearer {caller.key}"},
        allow_redirects=False,
        timeout=30,
    )
    tally.statuses[answer.status_code] = tally.statuses.get(answer.status_code, 0) + 1
    case.validate_response(answer, checks=_CHECKS)
    text = answer.content.decode("utf-8", "replace")
    if other.word in text:
        raise AssertionError(f"An answer to one has the other's prompt: {case.as_curl_command()}")
    if whose is other and "job_id" in (case.path_parameters or {}):
        tally.across += 1
        if answer.status_code < 400 or other.jobs[0] in text:  # noqa: PLR2004 - RFC 9110
            raise AssertionError(f"One reaches the other's job: {case.as_curl_command()}")


def holds() -> bool:
    """Send what is left of all rounds, and tell after each how far it is."""
    from tests.stack import RunningStack  # noqa: PLC0415 - the test is not the only one that needs a stack

    mark = Path(os.environ.get("DATA_DIR") or _ROOT / ".data") / "proofs" / "api-fuzz.json"
    mark.parent.mkdir(parents=True, exist_ok=True)
    done = json.loads(mark.read_text())["rounds"] if mark.exists() else 0
    if done * _ROUND >= _CASES:
        done = 0
    with RunningStack() as stack:
        keys = add_users(stack.manage)
        for number in range(done, _CASES // _ROUND):
            users = settle(stack.url, keys)
            tally = run(stack.url, users, cases=_ROUND, number=number)
            mark.write_text(json.dumps({"rounds": number + 1, "statuses": tally.statuses}))
            sent = (number + 1) * _ROUND
            print(f"  {sent:,} of {_CASES:,} cases hold; this round {tally.statuses}", flush=True)
    return True


def add_users(manage: Callable[..., str]) -> list[str]:
    """Make two users without limits on a running stack, and pause its GPU; give their keys."""
    said = manage(
        "shell",
        "-c",
        "from jobs.models import Pool; from videogen.accounts import keys;"
        " from videogen.accounts.models import User; import secrets;"
        " Pool.objects.update(state='paused');"
        " print('KEYS', *[keys.create(User.objects.create_user("
        "f'{secrets.token_hex(4)}@fuzz.example', None, tier='internal'), name='fuzz')"
        " for _ in range(2)])",
    )
    return said.split("KEYS ")[1].split()
