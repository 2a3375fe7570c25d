"""Addresses of the operator console."""

from django.urls import path

from scheduler.console import views

urlpatterns = [path("capacity", views.capacity, name="console_capacity")]
