"""What can be asked for: models with their lengths, sizes and prices; and the plans."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from jobs import catalog, credit_policy, requests
from jobs.api import contract
from jobs.api.base import View, no_query
from jobs.models import Tier


class Models(View):
    """GET /api/v1/models."""

    @contract.models
    def get(self, request: Request) -> Response:
        """List the models that are offered now."""
        no_query(request)
        return Response({"models": [_model(offer) for offer in catalog.offers().values()]})


class Tiers(View):
    """GET /api/v1/tiers."""

    @contract.tiers
    def get(self, request: Request) -> Response:
        """List the plans, the smallest first."""
        no_query(request)
        return Response({"tiers": [_tier(tier) for tier in Tier.objects.order_by("rank")]})


def _model(offer: catalog.Offer) -> dict[str, Any]:
    return {
        "id": offer.model,
        "seconds": list(offer.seconds),
        "sizes": [{"size": size, "credits_per_second": _rate(size, offer)} for size in offer.sizes],
    }


def _rate(size: str, offer: catalog.Offer) -> int:
    width, height = requests.sides(size)
    return credit_policy.rate(
        width=width, height=height, credits_per_second=offer.credits_per_second
    )


def _tier(tier: Tier) -> dict[str, Any]:
    return {
        "id": tier.name,
        "running": tier.running_limit,
        "queued": tier.queued_limit,
        "submissions_per_minute": tier.submissions_per_minute,
        "jobs_per_day": tier.jobs_per_day,
        "gpu_seconds_per_day": tier.gpu_seconds_per_day,
        "start_promise_seconds": tier.start_promise_seconds,
        "monthly_credits": tier.monthly_credits,
    }
