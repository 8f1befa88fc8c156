from collections.abc import Callable

from django.db import transaction


def after_commit(act: Callable[..., object], *args: object, **kwargs: object) -> None:
    """Do that once the transaction has committed. If it fails that is only logged: what was
    committed stands, and so does the answer that says so.

    Not `on_commit(partial(…), robust=True)`, which does the logging with a name that a partial does
    not have, and so fails itself.
    """

    def run() -> None:
        act(*args, **kwargs)

    transaction.on_commit(run, robust=True)
