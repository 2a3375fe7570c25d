"""How a password and a session become a user, with the suspension in the same query."""

from uuid import UUID

from allauth.account.auth_backends import AuthenticationBackend

from videogen.accounts.models import User


class SignInBackend(AuthenticationBackend):
    """Signs in by e-mail address."""

    def get_user(self, user_id: UUID) -> User | None:
        """Give the active user of a session."""
        user = User.objects.select_related("suspension").filter(pk=user_id).first()
        return user if user and self.user_can_authenticate(user) else None
