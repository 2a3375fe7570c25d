"""Which models there are, as OpenAI clients ask."""

from django.http import Http404, HttpResponse
from rest_framework.request import Request

from jobs import catalog
from jobs.openai import face, representation
from jobs.openai.face import Face


class Models(Face):
    """GET /v1/models."""

    def get(self, request: Request) -> HttpResponse:
        """List every model; the first is what a request without one gets."""
        found = [representation.model(offer) for offer in catalog.offers().values()]
        return face.answer({"object": "list", "data": found})


class OneModel(Face):
    """GET /v1/models/{model}."""

    def get(self, request: Request, model: str) -> HttpResponse:
        """Retrieve one model."""
        offer = catalog.offers().get(model)
        if offer is None:
            raise Http404
        return face.answer(representation.model(offer))
