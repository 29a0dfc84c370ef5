"""The site's Celery app: ``celery -A shop worker``."""

import os

from celery import Celery

import umbel_agent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
umbel_agent.install(app)
