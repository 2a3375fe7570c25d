"""Everything that a status page shows, in one call: counts, jobs, credits, limits, where to follow from."""

from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from jobs import callers, days
from jobs.api import contract, filters, rate_limits, representation, rows, shown
from jobs.api.base import View, is_known, no_query, owner_of, tag_of, tagged, unchanged
from jobs.api.views import shown_page
from jobs.requests import InvalidFields
from jobs.states import LIVE, TERMINAL, JobState
from notifications.addresses import http_origin

# Jobs of earlier days that still live.
_MOST_EARLIER: Final = 100

# The feed's head is of the same moment as the counts: what happens later comes with a larger number.
_SUMMARY: Final = """
select
    coalesce((select sequence from feed_head where owner_id = %(owner)s), 0),
    (select count(*) from notification where owner_id = %(owner)s and read_at is null),
    (select coalesce(jsonb_object_agg(state, jobs), '{}') from (
        select state, count(*) as jobs from job
        where owner_id = %(owner)s and hidden_at is null and created_at >= %(start)s and created_at < %(end)s
        group by state) by_state),
    (select coalesce(sum(credits_charged), 0) from job
        where owner_id = %(owner)s and created_at >= %(start)s and created_at < %(end)s)
"""


class Today(View):
    """GET /api/v1/today."""

    @contract.today
    def get(self, request: Request) -> HttpResponseBase:
        """Give a status page all that it shows. Takes the parameters of the list of jobs, with a day."""
        wanted = filters.read(request.query_params, zone=callers.of(request).zone)
        if wanted.day is None:
            raise InvalidFields({"day": "Send today, or a date as YYYY-MM-DD."})
        owner_id = owner_of(request)
        start, end = days.bounds(wanted.day, zone=wanted.zone)
        head, unread, counts, charged = _summary(owner_id, start=start, end=end)
        standing = rate_limits.standing(owner_id)
        page = rows.page(wanted, owner_id=owner_id)
        earlier = []
        if wanted.day == timezone.now().astimezone(wanted.zone).date():
            earlier = rows.earlier_live(owner_id, before=start, most=_MOST_EARLIER)
        body = {
            "day": wanted.day.isoformat(),
            "time_zone": wanted.zone.key,
            "follow": {"after": head, "push_url": http_origin(request)},
            "counts": counts,
            "credits": {
                "balance": standing.balance,
                "held": standing.held,
                "charged_today": charged,
            },
            "tier": standing.tier,
            "limits": [limit.shown() for limit in standing.limits],
            "unread_notifications": unread,
            **shown_page(page, wanted, request)[0],
            "earlier": [
                filters.only(job, wanted.fields) for job in shown.each(earlier, owner_id=owner_id)
            ],
        }
        # When the minute's count resets moves with the clock, and is no news.
        tag = tag_of({**body, "limits": [limit.value for limit in standing.limits]})
        if is_known(request, tag):
            return unchanged(tag)
        return tagged(body, tag=tag)


class Limits(View):
    """GET /api/v1/limits."""

    @contract.limits
    def get(self, request: Request) -> Response:
        """Give every limit of the plan: its value, what is used, when it resets."""
        no_query(request)
        return Response(rate_limits.shown(rate_limits.standing(owner_of(request))))


def _summary(owner_id: UUID, *, start: Any, end: Any) -> tuple[int, int, dict[str, int], int]:
    with connection.cursor() as cursor:
        cursor.execute(_SUMMARY, {"owner": owner_id, "start": start, "end": end})
        head, unread, found, charged = cursor.fetchone()
    by_state = representation.parsed(found)
    counts = {state.value: by_state.get(state.value, 0) for state in JobState}
    counts["live"] = sum(counts[state] for state in LIVE)
    counts["ended"] = sum(counts[state] for state in TERMINAL)
    return head, unread, counts, int(charged)
