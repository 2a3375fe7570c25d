"""The admin and the console open to staff who showed a second factor in this session; others are led to it."""

from collections.abc import Callable
from typing import Any, Final

from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.views import ActivateTOTPView
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

from videogen.accounts import sessions
from videogen.accounts.models import User

# What is closed, with everything below it.
_DOORS: Final = ("admin:index", "console")
# As allauth calls it in its list of what a session was opened with.
_METHOD: Final = "mfa"
_TOTP: Final = Authenticator.Type.TOTP
_WHY: Final = "The admin and the console open with a second step only. Turn it on here."


class StaffMiddleware:
    """Asks nothing of other addresses, and of nobody but staff."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, or lead to where the second factor is set up or shown."""
        if settings.STAFF_SECOND_FACTOR and request.path.startswith(tuple(map(reverse, _DOORS))):
            user = request.user
            if user.is_authenticated and user.is_staff:
                if not is_mfa_enabled(user, [_TOTP]):
                    messages.warning(request, _WHY)
                    return _led(request, to="mfa_activate_totp")
                if not _was_shown(request):
                    return _led(request, to="mfa_reauthenticate")
        return self._get_response(request)


class SetUp(ActivateTOTPView):
    """Turns the second step on. Whoever does so has shown it."""

    def form_valid(self, form: Any) -> HttpResponse:
        """Turn it on, and note that this session showed it."""
        answer: HttpResponse = super().form_valid(form)
        record_authentication(self.request, self.request.user, _METHOD, type=str(_TOTP))
        return answer


def _was_shown(request: HttpRequest) -> bool:
    records = get_authentication_records(request, request.user)
    return any(one["method"] == _METHOD for one in records)


def _led(request: HttpRequest, *, to: str) -> HttpResponseRedirect:
    # What was posted is not sent again by itself.
    goal = request.get_full_path() if request.method == "GET" else request.path
    return HttpResponseRedirect(f"{reverse(to)}?{urlencode({'next': goal})}")


def forget(user: User) -> bool:
    """Take a second factor and its recovery codes away, and sign out everywhere. False where there was none."""
    with transaction.atomic():
        gone, _ = Authenticator.objects.filter(user=user).delete()
        if gone:
            sessions.end_others(user.pk, keep=None)
    return bool(gone)
