"""Who may wait, who is refused, and whether the time that a refusal names proves right."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.door import Admitted, Door, Own, Refused, Ticket, Why, admits_standby, knock

DOOR = Door(bound=1000.0, drain=10.0, work=0.0)


def _knock(
    *,
    work: float = 0.0,
    cost: float = 10.0,
    now: float = 0.0,
    book: float = 0.0,
    ticket: Ticket | None = None,
    own: Own | None = None,
    drain: float = 10.0,
) -> Admitted | Refused:
    door = replace(DOOR, work=work, book=book, drain=drain)
    return knock(door, own or Own(), cost=cost, now=now, ticket=ticket, spread=0.0)


def test_there_is_room_below_the_bound() -> None:
    assert _knock(work=900.0) == Admitted()


def test_the_last_part_of_the_bound_is_for_those_with_a_ticket() -> None:
    ticket = Ticket(at=5.0, until=65.0)

    assert isinstance(_knock(work=970.0), Refused)
    assert _knock(work=970.0, ticket=ticket, now=10.0) == Admitted(uses_ticket=True)
    assert isinstance(_knock(work=995.0, ticket=ticket, now=10.0), Refused)


def test_nobody_without_a_ticket_overtakes_while_the_book_is_open() -> None:
    assert isinstance(_knock(work=920.0, book=50.0), Refused)
    assert _knock(work=920.0, book=50.0, now=51.0) == Admitted()


def test_a_refusal_names_the_limit_and_when_it_fits() -> None:
    refused = _knock(work=1000.0, cost=10.0, now=100.0)

    assert isinstance(refused, Refused)
    assert (refused.why, refused.limit, refused.value) == (Why.TIER_FULL, 1000.0, 1000.0)
    assert refused.retry_after == 11.0
    assert refused.ticket == Ticket(at=111.0, until=171.0)
    assert refused.is_standby_offered


def test_each_refused_caller_gets_a_later_place() -> None:
    first = _knock(work=1000.0)
    assert isinstance(first, Refused)

    second = _knock(work=1000.0, book=first.book)

    assert isinstance(second, Refused)
    assert first.retry_after is not None
    assert second.retry_after is not None
    assert second.retry_after > first.retry_after + 1.0


def test_no_time_is_named_beyond_an_hour() -> None:
    refused = _knock(work=1000.0, book=4000.0)

    assert isinstance(refused, Refused)
    assert (refused.retry_after, refused.ticket, refused.book) == (None, None, 4000.0)


def test_a_ticket_is_worth_nothing_before_its_time_and_after_it() -> None:
    ticket = Ticket(at=50.0, until=110.0)

    assert isinstance(_knock(work=970.0, ticket=ticket, now=49.0), Refused)
    assert isinstance(_knock(work=970.0, ticket=ticket, now=111.0), Refused)


def test_a_job_longer_than_the_bound_is_taken_when_nothing_waits() -> None:
    assert _knock(cost=5000.0) == Admitted()
    assert isinstance(_knock(cost=5000.0, work=1.0), Refused)


def test_nothing_is_taken_while_nothing_drains() -> None:
    refused = _knock(drain=0.0)

    assert isinstance(refused, Refused)
    assert (refused.why, refused.retry_after) == (Why.NO_CAPACITY, None)


def test_a_tier_without_a_bound_is_always_taken() -> None:
    door = Door(bound=None, drain=0.0, work=9e9)

    assert knock(door, Own(), cost=1.0, now=0.0, spread=0.0) == Admitted()


def test_an_own_limit_is_told_before_the_tiers() -> None:
    own = Own(queued=10, limit=10, starts=(30.0, 60.0, 90.0), promised=1)

    refused = _knock(work=1000.0, own=own)

    assert isinstance(refused, Refused)
    assert (refused.why, refused.limit, refused.value) == (Why.OWN_QUEUE, 10, 10)
    assert refused.retry_after == 60.0
    assert not refused.is_standby_offered


def test_a_ticket_for_an_own_place_lets_one_more_in() -> None:
    ticket = Ticket(at=0.0, until=60.0)

    assert _knock(own=Own(queued=10, limit=10), ticket=ticket) == Admitted(uses_ticket=True)
    assert isinstance(_knock(own=Own(queued=11, limit=10), ticket=ticket), Refused)


def test_no_own_time_is_named_when_all_own_places_are_promised() -> None:
    refused = _knock(own=Own(queued=3, limit=3, starts=(30.0,), promised=1))

    assert isinstance(refused, Refused)
    assert refused.retry_after is None


def test_standby_is_bounded_by_number() -> None:
    assert admits_standby(waiting=9, limit=10)
    assert not admits_standby(waiting=10, limit=10)


CALLS = st.lists(
    st.tuples(st.floats(0.0, 20.0), st.floats(1.0, 60.0), st.booleans()), min_size=1, max_size=120
)


@settings(max_examples=60, deadline=None)
@given(calls=CALLS)
def test_the_bound_holds_the_book_only_grows_and_a_ticket_admits_once(
    calls: list[tuple[float, float, bool]],
) -> None:
    now = work = book = named = 0.0
    tickets: list[Ticket] = []
    for wait, cost, obeys in calls:
        now, work = now + wait, max(0.0, work - 10.0 * wait)
        ticket = tickets[0] if obeys and tickets and tickets[0].at <= now else None
        door = replace(DOOR, work=work, book=book)
        answer = knock(door, Own(), cost=cost, now=now, ticket=ticket, spread=0.0)
        if isinstance(answer, Admitted):
            work += cost
            assert work <= 1000.0
            if answer.uses_ticket:
                tickets.pop(0)
        else:
            assert answer.book >= book
            book = answer.book
            if answer.ticket is not None:
                # Of one book, and while capacity is constant, a later caller is never told an earlier time.
                assert answer.ticket.at >= named
                named = answer.ticket.at
                tickets.append(answer.ticket)
        tickets = [each for each in tickets if each.until >= now]


def test_obeying_callers_find_room_at_the_time_that_they_were_told() -> None:
    work, book, right, returned = 1000.0, 0.0, 0, 0
    due: list[tuple[float, Ticket]] = []
    for second in range(1200):
        work = max(0.0, work - 10.0)
        back = [each for each in due if each[0] <= second]
        due = [each for each in due if each[0] > second]
        callers = [ticket for _, ticket in back] + [None] * (second % 2)
        for ticket in callers:
            door = replace(DOOR, work=work, book=book)
            answer = knock(door, Own(), cost=30.0, now=second, ticket=ticket, spread=1.0)
            returned += ticket is not None
            if isinstance(answer, Admitted):
                work += 30.0
                right += ticket is not None
            elif answer.ticket and answer.retry_after is not None:
                book = answer.book
                due.append((second + answer.retry_after, answer.ticket))

    assert returned > 100
    assert right / returned >= 0.9
