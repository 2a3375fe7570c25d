"""Users and their API keys. The e-mail address is the login; ids are time-ordered UUIDs."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models, transaction
from django.utils import timezone

from jobs import accounts
from jobs.ids import new_id


class UserManager(BaseUserManager["User"]):
    """Creates users together with the account that their jobs are charged to."""

    def create_user(
        self, email: str, password: str | None = None, *, tier: str = "free", **fields: Any
    ) -> User:
        """Create a user and open their account with this month's credits, in one transaction."""
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        with transaction.atomic():
            user.save(using=self._db)
            accounts.open_account(user.id, tier=tier)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Create an administrator, on the internal tier."""
        return self.create_user(
            email, password, tier="internal", is_staff=True, is_superuser=True, **fields
        )

    def get_by_natural_key(self, username: str | None) -> User:
        """Find a user by e-mail address, whatever its letter case."""
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser, PermissionsMixin):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(unique=True)
    # Used for "today" and for clock times on pages; an IANA name.
    time_zone = models.CharField(max_length=64, default="UTC")
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    joined_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        db_table = "account_user"

    def __str__(self) -> str:
        return self.email


class ApiKey(models.Model):
    """A secret that a program shows instead of a password. Only its digest is kept."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    # The readable beginning of the key, to tell keys apart.
    prefix = models.CharField(max_length=16)
    # SHA-256 of the whole key: fast is fine for 160 random bits.
    digest = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "account_api_key"

    def __str__(self) -> str:
        return f"{self.prefix}... ({self.name})"

    user_id: UUID
