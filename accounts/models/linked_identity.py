from django.db import models
from django.utils import timezone

from accounts.addresses import EMAIL_LENGTH
from accounts.models.user import User
from accounts.provider import SUBJECT_LENGTH

ISSUER_LENGTH = 255


class LinkedIdentity(models.Model):
    """An account at an identity provider by which a member logs in.

    Known by who issued it and the number it has there, which is never given to anybody else; the
    address is for its owner to recognise it by, and opens nothing.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="identities")
    issuer = models.CharField(max_length=ISSUER_LENGTH)
    subject = models.CharField(max_length=SUBJECT_LENGTH)
    email = models.CharField(max_length=EMAIL_LENGTH, blank=True)  # as last told
    linked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="identity_is_of_one_member"),
            models.UniqueConstraint(fields=["user", "issuer"], name="identity_one_of_each_issuer"),
        ]

    def __str__(self) -> str:
        return f"linked identity {self.pk}"
