"""Who answers."""

from django.urls import include, path
from rest_framework.routers import DefaultRouter

from bench.usual.views import Jobs

router = DefaultRouter(trailing_slash=False)
router.register("jobs", Jobs, basename="job")
urlpatterns = [path("api/", include(router.urls))]
