"""Who may enter the console: staff with the right to look; and only with the right to act, anything that changes."""

from collections.abc import Callable
from functools import wraps
from typing import Final

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import resolve_url
from django.utils.functional import SimpleLazyObject
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from notifications.models import ParkedEvent

_LOOK: Final = "scheduler.view_console"
_ACT: Final = "scheduler.operate_console"
_MOST_COUNTED: Final = 99

View = Callable[..., HttpResponse | JsonResponse]
Gated = Callable[..., HttpResponseBase]


def looks(view: View) -> Gated:
    """Let those in who may look; a GET changes nothing."""
    return never_cache(require_http_methods(["GET", "HEAD"])(_entered(view)))


def acts(view: View) -> Gated:
    """Let those in who may look; a POST is for those who may act."""
    return never_cache(require_http_methods(["GET", "HEAD", "POST"])(_entered(view)))


def only_acts(view: View) -> Gated:
    """Let those in who may act, by POST."""
    return never_cache(require_http_methods(["POST"])(_entered(view)))


def may_act(request: HttpRequest) -> bool:
    """Say whether this operator may change anything."""
    return bool(request.user.has_perm(_ACT))


def actor(request: HttpRequest) -> str:
    """Name the operator for the log."""
    return str(request.user)


def _entered(view: View) -> Gated:
    @wraps(view)
    def entered(request: HttpRequest, *args: object, **named: object) -> HttpResponseBase:
        user = request.user
        if not user.is_authenticated:
            return redirect_to_login(request.get_full_path(), resolve_url("sign_in"))
        if not (user.is_active and user.is_staff and user.has_perms([_LOOK])):
            raise PermissionDenied
        if request.method == "POST" and not may_act(request):
            raise PermissionDenied
        # For the frame of every page; asked for only where it is drawn.
        request.parked_events = SimpleLazyObject(_parked)  # type: ignore[attr-defined]  # ours
        return view(request, *args, **named)

    return entered


def _parked() -> int:
    return ParkedEvent.objects.all()[:_MOST_COUNTED].count()
