"""The filter language: parsed once, then a predicate over live records or a condition in SQL.

`umbel_backend.filters.sql` is not imported here, so that live screens come up without SQLAlchemy.
"""

from umbel_backend.filters.parse import parse
from umbel_backend.filters.predicate import compile_predicate
from umbel_backend.filters.tree import Filter

__all__ = ["Filter", "compile_predicate", "parse"]
