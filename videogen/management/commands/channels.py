"""Says which ways of reaching people work, and what waits on each."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db.models import Count, Q
from django.db.models.functions import Now

from notifications.channels import registry
from notifications.models import Delivery, ParkedEvent, Route


class Command(BaseCommand):
    help = "Show every channel: whether it is configured, what waits, which targets are paused."

    def handle(self, *_: Any, **__: Any) -> None:
        self.stdout.write("in-app: works by itself")
        for channel in registry.channels().values():
            problem = channel.problem()
            word = f"NOT CONFIGURED: {problem}" if problem else "configured"
            self.stdout.write(f"{channel.name}: {word}")
            found = Delivery.objects.filter(channel=channel.name).aggregate(
                waiting=Count("id", filter=Q(state="scheduled")),
                overdue=Count("id", filter=Q(due_at__lt=Now())),
                abandoned=Count("id", filter=Q(state="abandoned")),
            )
            paused = Route.objects.filter(channel=channel.name, paused_until__gt=Now()).count()
            self.stdout.write(
                f"  {found['waiting']} waiting, {found['overdue']} of them due,"
                f" {found['abandoned']} given up, {paused} targets paused"
            )
        if parked := ParkedEvent.objects.count():
            self.stdout.write(f"{parked} events are PARKED: bin/manage parked_events")
