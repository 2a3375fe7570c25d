"""Jobs as a model viewset serves them."""

from django.db import transaction
from django.db.models import QuerySet
from rest_framework import mixins, serializers, viewsets
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request
from rest_framework.response import Response

from bench.usual.models import Credits, Entry, Job, Notice
from bench.usual.tasks import generate

_PRICE = 4


class JobSerializer(serializers.ModelSerializer[Job]):
    """All that a client sees."""

    class Meta:
        model = Job
        fields = ["id", "prompt", "model", "seconds", "size", "status", "video_url", "created_at"]
        read_only_fields = ["id", "status", "video_url", "created_at"]


class Jobs(mixins.RetrieveModelMixin, mixins.ListModelMixin, viewsets.GenericViewSet[Job]):
    """Submit, retrieve, list."""

    serializer_class = JobSerializer
    pagination_class = LimitOffsetPagination

    def get_queryset(self) -> QuerySet[Job]:
        """Only the caller's."""
        return Job.objects.filter(user_id=self.request.user.pk).order_by("-created_at")

    def create(self, request: Request) -> Response:
        """Take a submission: once for each key, while credits last."""
        key = request.headers.get("Idempotency-Key")
        if key and (known := self.get_queryset().filter(idempotency_key=key).first()):
            return Response(self.get_serializer(known).data, status=202)
        wanted = self.get_serializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        with transaction.atomic():
            account = Credits.objects.select_for_update().get(user_id=request.user.pk)
            if account.balance < _PRICE:
                raise ValidationError("No credits are left.")
            account.balance -= _PRICE
            account.save(update_fields=["balance"])
            job = wanted.save(user=request.user, idempotency_key=key)
            Entry.objects.create(user_id=request.user.pk, job=job, amount=-_PRICE)
            Notice.objects.create(user_id=request.user.pk, job=job, kind="submitted")
        generate.delay(str(job.pk))
        return Response(self.get_serializer(job).data, status=202)
