"""What is done after a commit never undoes what the commit has said."""

import pytest
from django.db import transaction

from bottomline.afterwards import after_commit
from bottomline.outbox.models import OutboxMessage


@pytest.mark.asvs("16.5.2")
@pytest.mark.asvs("16.3.4")
@pytest.mark.django_db(transaction=True)
def test_what_fails_after_a_commit_is_logged_and_the_commit_stands(
    caplog: pytest.LogCaptureFixture,
):
    done = []
    with transaction.atomic():
        OutboxMessage.objects.create(kind="already_member", subject="1")
        after_commit(int, "no number")
        after_commit(done.append, "the next")
    assert OutboxMessage.objects.exists()
    assert done == ["the next"]
    assert "no number" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_nothing_is_done_after_a_rollback():
    done = []

    def fail() -> None:
        with transaction.atomic():
            after_commit(done.append, "never")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert done == []
