"""Addresses of pages about what people are told."""

from django.urls import path

from notifications.web import views

urlpatterns = [path("unsubscribe/<str:token>", views.unsubscribe, name="unsubscribe")]
