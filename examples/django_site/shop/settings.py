"""Settings of the site, the least that a worker needs."""

import os

SECRET_KEY = "only-for-this-example"
INSTALLED_APPS = ["shop"]
USE_TZ = True

CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL", "redis://localhost:6379/0")
CELERY_TASK_DEFAULT_QUEUE = "shop"
CELERY_UMBEL_LOG_LEVEL = "DEBUG"
CELERY_UMBEL_REDACT = ["password", "token", "iban"]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"shop": {"handlers": ["console"], "level": "DEBUG", "propagate": False}},
}
