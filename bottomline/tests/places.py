"""Taking the places that requests wait in."""

from collections.abc import Iterator
from contextlib import contextmanager

from bottomline.places import Places


@contextmanager
def no_places(places: Places, *networks: str) -> Iterator[None]:
    """None left for these networks; without any, for nobody."""
    crowd = networks or [f"network {number}" for number in range(places.number)]
    taken = [network for network in crowd for _ in range(places.share) if places.take(network)]
    try:
        yield
    finally:
        for network in taken:
            places.give_back(network)
