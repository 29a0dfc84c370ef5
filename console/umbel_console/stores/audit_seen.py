"""What happened in the audit while this console runs: how far it was followed, and whether it can be."""

from __future__ import annotations


class AuditSeen:
    """How far the audit was followed."""

    def __init__(self) -> None:
        self.entry: int | None = None
        """The last entry of the chain that is known; None until it was asked for."""
        self.problem: str | None = None
        """Why it cannot be followed now, in one sentence."""
        self.is_watched = False
        """Somebody looks at the audit, who wants to know at once."""
