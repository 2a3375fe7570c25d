"""Users, their API keys and suspensions. The e-mail address is the login; ids are time-ordered UUIDs."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.apps import apps
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from jobs import accounts
from jobs.ids import new_id
from videogen.accounts import scopes


class UserManager(BaseUserManager["User"]):
    """Creates users together with the account that their jobs are charged to."""

    def create_user(
        self, email: str, password: str | None = None, *, tier: str = "free", **fields: Any
    ) -> User:
        """Create a user on an administrator's word, with an open account and this month's credits."""
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        return self.admit(user, tier=tier)

    def admit(self, user: User, *, tier: str) -> User:
        """Store somebody whom an administrator vouches for: user, account and known address, or nothing."""
        with transaction.atomic():
            user.save(using=self._db)
            accounts.open_account(user.id, tier=tier)
            apps.get_model("account", "EmailAddress").objects.create(
                user=user, email=user.email, verified=True, primary=True
            )
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
    # The suspension in force, if any: a join of every look-up, so that no request asks for it.
    suspension = models.ForeignKey(
        "Suspension", null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )

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
    # At most a minute old, and a minute more when a process dies.
    last_used_at = models.DateTimeField(null=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=16), default=scopes.everything)
    # The key that this one takes over from; both work until the older one's end.
    replaces = models.OneToOneField(
        "self", null=True, editable=False, on_delete=models.SET_NULL, related_name="successor"
    )

    class Meta:
        db_table = "account_api_key"
        constraints = [
            models.CheckConstraint(
                name="api_key_scopes_known",
                condition=Q(scopes__contained_by=list(scopes.ALL), scopes__len__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}... ({self.name})"

    user_id: UUID


class Suspension(models.Model):
    """An account that an administrator closed: by whom, when, why, and how it ended."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="suspensions")
    # Shown to the suspended person.
    reason = models.CharField(max_length=500)
    began_at = models.DateTimeField(db_default=Now(), editable=False)
    began_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    # When nothing of theirs waited or ran any more.
    emptied_at = models.DateTimeField(null=True, editable=False)
    lifted_at = models.DateTimeField(null=True, editable=False)
    lifted_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    lift_reason = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        db_table = "account_suspension"
        indexes = [
            models.Index(
                name="suspension_to_empty",
                fields=["id"],
                condition=Q(lifted_at__isnull=True, emptied_at__isnull=True),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                name="suspension_one_in_force",
                fields=["user"],
                condition=Q(lifted_at__isnull=True),
            ),
            models.CheckConstraint(
                name="suspension_lifted_after_it_began",
                condition=Q(lifted_at__isnull=True) | Q(lifted_at__gte=F("began_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}, {self.began_at:%Y-%m-%d}: {self.reason}"

    user_id: UUID


class Export(models.Model):
    """A person's copy of all that is kept about them, made in small steps."""

    user = models.OneToOneField(
        User, primary_key=True, on_delete=models.CASCADE, related_name="export"
    )
    requested_at = models.DateTimeField(db_default=Now(), editable=False)
    # Where the next step goes on: the number of the section, and the key of its last row.
    section = models.PositiveSmallIntegerField(default=0)
    after = models.JSONField(null=True)
    line_count = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "account_export"
        indexes = [
            models.Index(
                name="export_to_make", fields=["requested_at"], condition=Q(finished_at=None)
            ),
            models.Index(name="export_by_end", fields=["finished_at"]),
        ]

    def __str__(self) -> str:
        return str(self.user_id)

    user_id: UUID


class ExportPart(models.Model):
    """A gzip member of an export; all of them in order are the file."""

    export = models.ForeignKey(
        Export, on_delete=models.CASCADE, db_index=False, related_name="parts"
    )
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        db_table = "account_export_part"
        constraints = [
            models.UniqueConstraint(name="export_part_once", fields=["export", "number"]),
        ]

    def __str__(self) -> str:
        return f"{self.export_id}, {self.number}"

    export_id: UUID


class Deletion(models.Model):
    """A person's wish that their account be deleted: from when, and how far it is."""

    user = models.OneToOneField(
        User, primary_key=True, on_delete=models.CASCADE, related_name="deletion"
    )
    requested_at = models.DateTimeField(db_default=Now(), editable=False)
    # Until then it can be taken back.
    due_at = models.DateTimeField()
    began_at = models.DateTimeField(null=True)
    # Where the next step goes on.
    step = models.PositiveSmallIntegerField(default=0)
    after = models.JSONField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "account_deletion"
        indexes = [
            models.Index(name="deletion_due", fields=["due_at"], condition=Q(finished_at=None)),
        ]

    def __str__(self) -> str:
        return str(self.user_id)

    user_id: UUID
