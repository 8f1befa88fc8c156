"""The fixtures of the tests in this folder."""

from bottomline.tests.chromium import browse, chromium, door, page, running_door, watch

__all__ = ["browse", "chromium", "door", "page", "running_door", "watch"]
