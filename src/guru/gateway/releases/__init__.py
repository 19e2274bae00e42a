"""New versions, tried on some before they are given to all."""

from guru.gateway.releases.feedback import Feedback
from guru.gateway.releases.releases import Releases, ReleaseView

__all__ = ["Feedback", "ReleaseView", "Releases"]
