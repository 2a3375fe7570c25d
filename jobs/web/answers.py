"""Who is answered: a browser that loads a page, or a page that stays open."""

from django.http import HttpRequest


def wants_json(request: HttpRequest) -> bool:
    """Tell a page that stays open from a browser that loads one."""
    return "application/json" in request.headers.get("Accept", "")
