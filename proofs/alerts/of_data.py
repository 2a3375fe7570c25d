"""Faults in what the database holds, or in who holds it."""

from collections.abc import Iterator
from contextlib import contextmanager

from proofs.alerts.causes import cause
from proofs.alerts.place import Place, until
from proofs.sinks.running import sink

_ENDPOINTS = 6


@cause("LedgerDrift", wave="rows")
@contextmanager
def credits_from_nowhere(place: Place) -> Iterator[None]:
    """Somebody writes a balance by hand."""
    email = place.stack.account("pro")["email"]
    ((owner,),) = place.sql("select id from account_user where email = %s", email)
    place.sql("update account set balance = balance + 5 where owner_id = %s", owner)
    try:
        yield
    finally:
        place.sql("update account set balance = balance - 5 where owner_id = %s", owner)


@cause("EventsParked", wave="rows")
@contextmanager
def a_subscriber_that_cannot_hear(place: Place) -> Iterator[None]:
    """An event was parked."""
    place.sql(
        "insert into parked_event (event_id, subscriber, error, try_count, parked_at)"
        " values (1, 'proof', 'ValueError: a fault of the proof', 1, now())"
    )
    try:
        yield
    finally:
        place.sql("delete from parked_event where subscriber = 'proof'")


@cause("RangesWrong", wave="rows", within=180)
@contextmanager
def promises_that_did_not_hold(place: Place) -> Iterator[None]:
    """Most of today's ranges came out late."""
    place.sql(
        "insert into range_outcome (day, tier, is_new, bucket, inside, late, early, width)"
        " values ((now() at time zone 'utc')::date, 'proof', true, 0, 100, 300, 0, 400)"
    )
    try:
        yield
    finally:
        place.sql("delete from range_outcome where tier = 'proof'")


@cause("InvariantBroken", wave="rows", within=150)
@contextmanager
def a_session_that_holds_a_lock(place: Place) -> Iterator[None]:
    """Somebody went to lunch in a transaction."""
    with place.holding("select 1"):
        yield


@cause("DeliveryLag", wave="rows", within=150)
@contextmanager
def a_route_that_nobody_can_take(place: Place) -> Iterator[None]:
    """Something is due for a target whose row is locked: from soon on, when no courier can have taken it yet."""
    place.sql(
        "insert into delivery_route (channel, target, next_at, failure_count)"
        " values ('webhook', 'proof', now() + interval '10 seconds', 0)"
    )
    try:
        with place.holding("select 1 from delivery_route where target = 'proof' for update"):
            yield
    finally:
        place.sql("delete from delivery_route where target = 'proof'")


@cause("RetentionLate", wave="rows", within=150)
@contextmanager
def a_session_that_cannot_be_dropped(place: Place) -> Iterator[None]:
    """Its time was over yesterday, and somebody holds its row."""
    place.sql(
        "insert into django_session (session_key, session_data, expire_date)"
        " values ('proof', '', now() - interval '1 day')"
    )
    try:
        with place.holding("select 1 from django_session where session_key = 'proof' for update"):
            yield
    finally:
        place.sql("delete from django_session where session_key = 'proof'")


@cause("CanaryOld", wave="rows", within=240, cleared_within=240)
@contextmanager
def a_queue_that_nobody_consumes(place: Place) -> Iterator[None]:
    """A pool whose models run in workers, and there are no such workers."""
    place.stack.manage(
        *("add_pool", "--name", "lonely", "--driver", "diffusers", "--models", "proof/lonely"),
        *("--slots", "1", "--no-test"),
    )
    try:
        yield
    finally:
        place.stack.manage("remove_pool", "--name", "lonely")


@cause("EndpointsDisabled", wave="rows", cleared_within=300)
@contextmanager
def endpoints_that_are_gone(place: Place) -> Iterator[None]:
    """A customer's receivers answer 410."""
    with sink("http", place.stack.data_dir) as receiver:
        made = [
            place.call(
                "enterprise",
                "webhook_endpoints",
                {
                    # Six addresses that mean the same.
                    "url": f"http://127.0.0.1:{receiver.port}/status/{410:0{4 + number}}",
                    "event_types": ["video.completed"],
                },
            )
            for number in range(_ENDPOINTS)
        ]
        if {status for status, _ in made} != {201}:
            raise RuntimeError(f"Endpoints were not made: {made}")
        place.submit_all("enterprise", seconds=2)
        until(
            lambda: (
                len(place.sql("select 1 from webhook_endpoint where disabled_at is not null"))
                >= _ENDPOINTS
            ),
            "the endpoints are disabled",
        )
        yield


@cause("FiguresMissing", wave="reading")
@contextmanager
def a_table_that_cannot_be_read(place: Place) -> Iterator[None]:
    """A migration by hand holds a table."""
    with place.holding("lock table parked_event in access exclusive mode"):
        yield


@cause("OutboxLag", "LoopStopped", wave="locks", within=150)
@contextmanager
def numbers_that_cannot_be_given(place: Place) -> Iterator[None]:
    """The relay cannot write the heads of feeds."""
    with place.holding("lock table feed_head in access exclusive mode"):
        place.submit_all("internal", seconds=2)
        yield


@cause("NoDispatcher", wave="leader")
@contextmanager
def a_leader_that_does_nothing(place: Place) -> Iterator[None]:
    """A session holds the leader's lock, and grants nothing."""
    leader = (
        "select pg_terminate_backend(pid) from pg_locks"
        " where locktype = 'advisory' and objid = 7001 and granted"
    )
    with place.session() as session:

        def takes() -> bool:
            place.sql(leader)
            return bool(session("select pg_try_advisory_lock(7001)")[0][0])

        until(takes, "the lock of the leader is ours")
        yield
