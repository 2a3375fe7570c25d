"""Who calls the API: an API key, an app's session token, or the session of a page."""

from django.contrib.auth.models import AbstractBaseUser
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from videogen.accounts import access, keys, tokens
from videogen.accounts.access import Access, By
from videogen.accounts.models import User


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer KEY`. The key's scopes are checked wherever it is shown."""

    def authenticate(self, request: Request) -> tuple[User, Access] | None:
        """Find the key's user. None without a bearer header, so that others may answer."""
        scheme, _, secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        found = keys.access_of(secret.strip())
        if found is None:
            raise AuthenticationFailed("This API key is not valid. Check it, or make a new one.")
        return _admitted(found, request)

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme in 401 answers."""
        return "Bearer"


class SessionTokenAuthentication(BaseAuthentication):
    """`X-Session-Token: TOKEN`, as an app got it when its person signed in."""

    def authenticate(self, request: Request) -> tuple[User, Access] | None:
        """Find the token's user. None without the header, so that others may answer."""
        token = request.META.get("HTTP_X_SESSION_TOKEN")
        if token is None:
            return None
        found = tokens.access_of(token.strip())
        if found is None:
            raise AuthenticationFailed("This session is over. Sign in again.")
        return _admitted(found, request)


class PageAuthentication(SessionAuthentication):
    """The cookie of a browser, with its CSRF token for whatever is not a read."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, Access] | None:
        """Find the signed-in user. None when nobody is signed in."""
        found = super().authenticate(request)
        if found is None:
            return None
        user: User = found[0]
        session = Access(user=user, by=By.SESSION, name=request.session.session_key or "")
        return _admitted(session, request)


def _admitted(found: Access, request: Request) -> tuple[User, Access]:
    access.check(found, path=request.path, method=str(request.method))
    return found.user, found
