"""POST /hooks/{pool} and /hooks/{pool}/{token}: where backends tell us that something happened."""

import logging
import time

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from jobs import inbox
from jobs.backends.backend import BackendError, OverBudget
from jobs.shield import hook_wait

logger = logging.getLogger(__name__)

# The largest message that is read; those of the known servers have a few kilobytes.
_LARGEST = 512 * 1024


@csrf_exempt
@require_POST
def webhook(request: HttpRequest, pool: str, token: str = "") -> HttpResponse:
    """Answer 204 when the message is from the pool's server, stored now or before; 401 for anything else."""
    if wait := hook_wait(request, pool=pool):
        return HttpResponse(status=429, headers={"Retry-After": str(wait)})
    # Beyond Django's bound for forms, within ours.
    body = request.read(_LARGEST + 1)
    if len(body) > _LARGEST:
        return HttpResponse(status=413)
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        is_taken = inbox.receive(pool, token, headers=headers, body=body, now=time.time())
    except (BackendError, OverBudget) as error:
        logger.warning("webhook_not_verified", extra={"pool": pool, "reason": str(error)})
        return HttpResponse(status=503, headers={"Retry-After": "10"})
    return HttpResponse(status=204 if is_taken else 401)
