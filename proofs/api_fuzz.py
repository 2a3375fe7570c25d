"""Whatever is sent to the API as two users: no fault of ours, no answer beside the contract, nothing of the other's.

`bin/proof api-fuzz` sends 20,000 cases that Schemathesis makes of the committed contract, valid and not, to a stack of
its own. It notes after each round how far it is, and goes on from there; `--seed`s are the numbers of the rounds.
"""

import json
import os
import random
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
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

from proofs.aiming import aim

_ROOT: Final = Path(__file__).resolve().parent.parent
_CASES: Final = 20_000
_ROUND: Final = 500
# Statuses from here on refuse (RFC 9110).
_REFUSED: Final = 400
_NOBODY: Final = "http://127.0.0.1:9/"
_FRAMING: Final = frozenset({"transfer-encoding", "content-length", "connection", "host", "expect"})
_CHECKS: Final = [
    known.not_a_server_error,
    known.status_code_conformance,
    known.content_type_conformance,
    known.response_schema_conformance,
]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One of two: a key, a word that only what they sent has, and jobs, a batch, an endpoint and a key of theirs."""

    key: str
    word: str
    jobs: Sequence[str]
    batch: str
    endpoint: str
    phone_key: str

    def thing(self, parameter: str, chance: random.Random) -> str | None:
        """Give the id of a thing of theirs that an address may name by this parameter; None where there is none."""
        match parameter:
            case "job_id":
                return chance.choice(self.jobs)
            case "video_id":
                return f"video_{chance.choice(self.jobs).replace('-', '')}"
            case "endpoint_id":
                return self.endpoint
            case "key_id":
                return self.phone_key
            case _:
                return None

    def ids(self) -> Iterator[str]:
        """Give what no answer to the other may have."""
        for one in (*self.jobs, self.batch, self.endpoint, self.phone_key):
            yield one
            yield one.replace("-", "")


@dataclass(slots=True)
class Tally:
    """What was sent, by what came back."""

    statuses: dict[int, int] = field(default_factory=dict)
    # Of the cases that the contract allows.
    valid: dict[int, int] = field(default_factory=dict)
    # Calls of one user with ids of the other.
    across: int = 0

    @property
    def reached(self) -> float:
        """Give the share of valid cases that were carried out."""
        done = sum(count for status, count in self.valid.items() if status < _REFUSED)
        return done / max(1, sum(self.valid.values()))

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
    made = _sent(
        f"{url}/api/v1/batches", key, jobs=[{"prompt": f"{word} {number}"} for number in range(3)]
    )
    # Nothing listens there: a test of it ends at once.
    endpoint = _sent(
        f"{url}/api/v1/webhook_endpoints",
        key,
        url=_NOBODY,
        name=word,
        event_types=["video.completed"],
    )
    return User(
        key=key,
        word=word,
        jobs=[result["job"]["id"] for result in made["results"]],
        batch=made["id"],
        endpoint=endpoint["id"],
        phone_key=_sent(f"{url}/api/v1/keys", key, name="A phone")["id"],
    )


def _sent(address: str, key: str, **body: Any) -> Any:
    headers = {"Authorization": f"Bearer {key}"}
    answer = requests.post(address, json=body, headers=headers, timeout=30)
    answer.raise_for_status()
    return answer.json()


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
        if count:
            sent = partial(
                _send,
                session=session,
                url=url,
                users=users,
                tally=tally,
                chance=chance,
                is_valid=mode is GenerationMode.POSITIVE,
            )
            _each(_strategy(operation, mode), sent, count=count, number=number)


def _each(
    cases: st.SearchStrategy[Case[Any]],
    act: Callable[[Case[Any]], None],
    *,
    count: int,
    number: int,
) -> None:
    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def send(case: Case[Any]) -> None:
        act(case)

    send()


def _strategy(
    operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode
) -> st.SearchStrategy[Case[Any]]:
    made = operation.as_strategy(generation_mode=mode)
    # A route without anything to get wrong has no invalid cases.
    return made if not made.is_empty else operation.as_strategy()


def _send(
    case: Case[Any],
    *,
    session: requests.Session,
    url: str,
    users: tuple[User, User],
    tally: Tally,
    chance: random.Random,
    is_valid: bool,
) -> None:
    caller, other = users if chance.random() < 0.5 else users[::-1]  # noqa: PLR2004 - each as often
    # One's own most often, where the rest of the case is right.
    own = [caller] * (5 if is_valid else 1)
    # What its owner deletes is not there for the cases after it.
    whose = chance.choice((other, None) if case.method == "DELETE" else (*own, other, None))
    is_named = _name(case, whose, chance)
    if is_valid:
        aim(case, caller, chance)
    # They say how the message is sent: a server refuses a wrong one before any of our code sees it.
    for name in [name for name in case.headers or () if name.lower() in _FRAMING]:
        del case.headers[name]
    answer = case.call(
        base_url=url,
        session=session,
        headers={"Authorization": f"Bearer {caller.key}"},
        allow_redirects=False,
        timeout=30,
    )
    for counted in (tally.statuses, tally.valid) if is_valid else (tally.statuses,):
        counted[answer.status_code] = counted.get(answer.status_code, 0) + 1
    case.validate_response(answer, checks=_CHECKS)
    text = answer.content.decode("utf-8", "replace")
    if other.word in text:
        raise AssertionError(f"An answer to one has the other's words: {case.as_curl_command()}")
    if whose is other and is_named:
        tally.across += 1
        if answer.status_code < _REFUSED or any(one in text for one in other.ids()):
            raise AssertionError(f"One reaches what is the other's: {case.as_curl_command()}")


def _name(case: Case[Any], whose: User | None, chance: random.Random) -> bool:
    """Let the address name things of a user; say whether it does."""
    is_named = False
    for parameter in case.path_parameters or {}:
        if whose is not None and (thing := whose.thing(parameter, chance)) is not None:
            case.path_parameters[parameter] = thing
            is_named = True
    return is_named


def holds() -> bool:
    """Send what is left of all rounds, and tell after each how far it is."""
    from tests.stack import RunningStack  # noqa: PLC0415 - the test is not the only one that needs a stack

    mark = Path(os.environ.get("DATA_DIR") or _ROOT / ".data") / "proofs" / "api-fuzz.json"
    mark.parent.mkdir(parents=True, exist_ok=True)
    done = json.loads(mark.read_text())["rounds"] if mark.exists() else 0
    if done * _ROUND >= _CASES:
        done = 0
    with RunningStack() as stack:
        rounds = range(done, _CASES // _ROUND)
        # Two for each round: nobody may have endpoints and keys without end.
        keys = add_users(stack.manage, count=2 * len(rounds))
        for at, number in enumerate(rounds):
            users = settle(stack.url, keys[2 * at : 2 * at + 2])
            tally = run(stack.url, users, cases=_ROUND, number=number)
            mark.write_text(json.dumps({"rounds": number + 1, "statuses": tally.statuses}))
            sent = (number + 1) * _ROUND
            print(
                f"  {sent:,} of {_CASES:,} cases hold; this round {tally.statuses},"
                f" {tally.reached:.0%} of the valid ones carried out",
                flush=True,
            )
    return True


def add_users(manage: Callable[..., str], *, count: int = 2) -> list[str]:
    """Make users without limits on a running stack, and pause its GPU; give their keys."""
    said = manage(
        "shell",
        "-c",
        "from jobs.models import Pool; from videogen.accounts import keys;"
        " from videogen.accounts.models import User; import secrets;"
        " Pool.objects.update(state='paused');"
        " print('KEYS', *[keys.create(User.objects.create_user("
        "f'{secrets.token_hex(4)}@fuzz.example', None, tier='internal'), name='fuzz')"
        f" for _ in range({count})])",
    )
    return said.split("KEYS ")[1].split()
