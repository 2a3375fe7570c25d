"""The HTTP application: API, dashboard, admin."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "videogen.settings")
application = get_wsgi_application()
