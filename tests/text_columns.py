"""Every column that can hold a text, and who writes it: a stranger's text may be anything, ours is of our own words.

A column that is in neither list fails a test, so that a new one is thought about.
"""

from collections.abc import Iterator
from typing import Any, Final

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db.models import CharField, Field, JSONField, Model, TextField

# What people, their programs, receivers of webhooks, generation servers and operators wrote.
OF_STRANGERS: Final = frozenset(
    {
        "account.EmailAddress.email",
        "accounts.ApiKey.name",
        "accounts.Suspension.lift_reason",
        "accounts.Suspension.reason",
        "accounts.User.email",
        "admin.LogEntry.change_message",
        "admin.LogEntry.object_repr",
        "auth.Group.name",
        "jobs.Attempt.backend_job_id",
        "jobs.Attempt.detail",
        "jobs.Attempt.handle",
        "jobs.Attempt.node",
        "jobs.Attempt.worker",
        "jobs.Batch.key",
        "jobs.IdempotencyKey.key",
        "jobs.Job.error_message",
        "jobs.Job.idempotency_key",
        "jobs.Job.prompt",
        "jobs.Job.sent_by",
        "jobs.Job.thumbnail_url",
        "jobs.Job.video_url",
        "jobs.LateResult.thumbnail_url",
        "jobs.LateResult.video_url",
        "jobs.Lease.worker",
        "jobs.LedgerEntry.reason",
        "jobs.LedgerEntry.reference",
        "jobs.Node.name",
        "jobs.Node.reason",
        "jobs.Orphan.backend_job_id",
        "jobs.Orphan.handle",
        "jobs.Orphan.reason",
        "jobs.Pool.field_map",
        "jobs.Pool.image_input",
        "jobs.Pool.last_error",
        "jobs.Pool.result_hosts",
        "jobs.Pool.state_reason",
        "jobs.Pool.told_models",
        "jobs.PoolChange.actor",
        "jobs.PoolChange.changed",
        "jobs.PoolChange.pool",
        "jobs.PoolChange.reason",
        "jobs.Recovery.node",
        "jobs.Recovery.worker",
        "jobs.WebhookMessage.backend_job_id",
        "jobs.WebhookMessage.message_id",
        "notifications.Delivery.content",
        "notifications.Delivery.reason",
        "notifications.DeliveryAttempt.answer",
        "notifications.DeliveryAttempt.reason",
        "notifications.DeliveryAttempt.request",
        "notifications.ParkedEvent.error",
        "notifications.PushDevice.name",
        "notifications.PushDevice.token",
        "notifications.PushSubscription.endpoint",
        "notifications.PushSubscription.name",
        "notifications.PushSubscription.user_agent",
        "notifications.WebhookEndpoint.disabled_reason",
        "notifications.WebhookEndpoint.name",
        "notifications.WebhookEndpoint.url",
        "scheduler.Act.actor",
        "scheduler.Act.outcome",
        "scheduler.Act.reason",
        "scheduler.Act.subject",
        "scheduler.Operation.actor",
        "scheduler.Operation.reason",
        "socialaccount.SocialAccount.extra_data",
        "socialaccount.SocialAccount.uid",
        "socialaccount.SocialApp.name",
        "usersessions.UserSession.user_agent",
    }
)

# Ours: names from our own lists and settings, digests, sealed and generated texts, what libraries keep for themselves.
OURS: Final = frozenset(
    f"{model}.{field}"
    for model, fields in {
        "account.EmailConfirmation": "key",
        "accounts.ApiKey": "prefix scopes",
        "accounts.Deletion": "after",
        "accounts.Export": "after",
        "accounts.User": "password time_zone",
        "admin.LogEntry": "object_id",
        "auth.Permission": "codename name",
        "contenttypes.ContentType": "app_label model",
        "jobs.Account": "granted_month",
        "jobs.Attempt": "learned_by outcome pool",
        "jobs.Backlog": "tried_pool",
        "jobs.Band": "tier",
        "jobs.Door": "drains",
        "jobs.InputImage": "mime",
        "jobs.Job": "error_code model size state",
        "jobs.JobTransition": "cause from_state to_state",
        "jobs.Kind": "name pools usable",
        "jobs.LedgerEntry": "kind",
        "jobs.Line": "kind",
        "jobs.Node": "pool_name",
        "jobs.Offering": "model size",
        "jobs.Orphan": "outcome pool",
        # Each is checked when a pool is put: of a list, a slug, an address, a width and height.
        "jobs.Pool": "driver model_names name profile sealed_key sealed_webhook_secret sizes state url",
        "jobs.Progress": "floors promoted shares turns virtual_times",
        "jobs.RangeOutcome": "tier",
        "jobs.Recovery": "cause led_to pool truth",
        "jobs.RunTime": "model pool_name size",
        "jobs.SlotUse": "pool_name tier_name",
        "jobs.Ticket": "why",
        "jobs.Tier": "name",
        "jobs.ToldRange": "tier",
        "jobs.WebhookMessage": "pool",
        "mfa.Authenticator": "data type",
        "notifications.Delivery": "channel message_id name payload state target",
        "notifications.DeliveryAttempt": "outcome",
        "notifications.Notification": "name payload",
        "notifications.OutboxEvent": "name payload",
        "notifications.ParkedEvent": "subscriber",
        "notifications.Preference": "channel name",
        "notifications.PushDevice": "platform session_digest token_digest",
        "notifications.PushSubscription": "auth p256dh session_digest vapid_key",
        "notifications.Route": "channel target",
        "notifications.WebhookEndpoint": "event_types sealed_old_secret sealed_secret secret_hint",
        "scheduler.Act": "verb",
        "scheduler.Canary": "queue",
        "scheduler.Operation": "doing filters name state tier truths",
        "scheduler.Reading": "accounts figures",
        "scheduler.Tick": "name",
        "sessions.Session": "session_data session_key",
        "socialaccount.SocialAccount": "provider",
        "socialaccount.SocialApp": "client_id key provider provider_id secret settings",
        "socialaccount.SocialToken": "token token_secret",
        "usersessions.UserSession": "data session_key",
    }.items()
    for field in fields.split()
)


def columns() -> Iterator[tuple[str, type[Model], "Field[Any, Any]"]]:
    """Give every column that can hold a text, by its name."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            inner = field.base_field if isinstance(field, ArrayField) else field
            if isinstance(inner, CharField | TextField | JSONField):
                yield f"{model._meta.label}.{field.name}", model, field
