"""Registers the scheduler application."""

from django.apps import AppConfig


class SchedulerConfig(AppConfig):
    name = "scheduler"
