"""The user row, and the user a session remembers."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from conftest import Person, Visitor, commits, log_in


def test_a_user_built_from_a_snapshot_is_the_user_who_was_snapshot(
    alice: Person, django_assert_num_queries
):
    user = alice.user
    user.blocked_until = timezone.now() - timedelta(days=1)
    with django_assert_num_queries(0):
        remembered = User.from_snapshot(user.snapshot())
        assert remembered == user
        for name in User.SNAPSHOT_FIELDS:
            assert getattr(remembered, name) == getattr(user, name)
    with django_assert_num_queries(1):
        assert remembered.password == user.password


def test_snapshot_fields_stand_in_the_order_of_the_columns():
    columns = [field.attname for field in User._meta.concrete_fields]
    assert [name for name in columns if name in User.SNAPSHOT_FIELDS] == list(User.SNAPSHOT_FIELDS)


@pytest.mark.asvs("15.4.2")
def test_the_database_has_one_account_for_an_address_and_one_for_a_look_alike_name(alice: Person):
    for email, username in (("alice@example.org", "else"), ("else@example.org", "A-L1CE")):
        twin = User(email=email, display_name="x")
        twin.name(username)
        with pytest.raises(IntegrityError), transaction.atomic():
            twin.save()


def test_deleting_a_user_ends_their_sessions(client: Visitor, alice: Person):
    log_in(client, alice)
    with commits():
        alice.user.delete()
    assert client.get("/session/").status_code == 401


def test_ids_tell_nothing_of_how_many_there_are_or_who_came_first(alice: Person, bob: Person):
    assert alice.user.pk.int.bit_length() > 64
    assert abs(alice.user.pk.int - bob.user.pk.int) > 2**64
