"""A site with one Celery app, made when Django starts so that ``shared_task`` finds it."""

from shop.celery import app as celery_app

__all__ = ("celery_app",)
