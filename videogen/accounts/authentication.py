"""Who calls the API: `Authorization: Bearer KEY`."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from videogen.accounts import keys
from videogen.accounts.models import User


class ApiKeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[User, None] | None:
        """Find the key's user. None without a bearer header, so that sessions may answer."""
        header = request.headers.get("Authorization", "")
        scheme, _, secret = header.partition(" ")
        if scheme.lower() != "bearer":
            return None
        user = keys.user_of(secret.strip())
        if user is None:
            raise AuthenticationFailed("This API key is not valid. Check it, or make a new one.")
        return user, None

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme in 401 answers."""
        return "Bearer"
