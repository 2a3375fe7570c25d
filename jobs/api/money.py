"""Credits: what can be spent, and every entry of the ledger."""

from typing import Any, Final

from django.db import connection
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api import contract
from jobs.api.base import View, no_query, owner_of
from jobs.api.pages import after_of, next_page, size_of
from jobs.api.representation import stamp
from jobs.models import Account

_ENTRIES: Final = """
select id, recorded_at, kind, job_id, balance_delta, held_delta, reason
from ledger_entry where account_id = %s and id < %s order by id desc limit %s
"""


class Credits(View):
    """GET /api/v1/credits."""

    @contract.credits_of
    def get(self, request: Request) -> Response:
        """Give what can be spent, and what live jobs hold."""
        no_query(request)
        account = Account.objects.only("balance", "held").get(owner_id=owner_of(request))
        return Response({"balance": account.balance, "held": account.held})


class Ledger(View):
    """GET /api/v1/credits/ledger."""

    @contract.ledger
    def get(self, request: Request) -> Response:
        """List the ledger, newest first."""
        no_query(request, "limit", "cursor")
        size = size_of(request)
        with connection.cursor() as cursor:
            cursor.execute(_ENTRIES, [owner_of(request), after_of(request), size + 1])
            found = cursor.fetchall()
        more = found[size - 1][0] if len(found) > size else None
        return Response(
            {"entries": [_entry(row) for row in found[:size]], "next": next_page(request, more)}
        )


def _entry(row: Any) -> dict[str, Any]:
    number, at, kind, job_id, balance, held, reason = row
    return {
        "id": number,
        "at": stamp(at),
        "kind": kind,
        "job_id": str(job_id) if job_id else None,
        "balance_delta": balance,
        "held_delta": held,
        "reason": reason,
    }
