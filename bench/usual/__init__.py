"""The same product as most would build it: Django, DRF with its serializers, the ORM, `task.delay()`."""
