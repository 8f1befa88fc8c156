from django.db import models
from django.utils import timezone

from accounts.ceremonies import Known
from accounts.models.user import User

NAME_LENGTH = 60
MOST = 20  # of one member; more than anybody has devices
LONGEST_ID = 1023  # bytes of a credential's id (Web Authentication, level 3, 7.1)


class PasskeyQuerySet(models.QuerySet["Passkey"]):
    def of(self, user: User) -> "PasskeyQuerySet":
        """The member's own, the oldest first."""
        return self.filter(user=user).order_by("created_at", "pk")

    def known(self, user: User) -> list[Known]:
        """What a browser is told of them."""
        return [Known(bytes(each.credential_id), each.transports) for each in self.of(user)]


class Passkey(models.Model):
    """The public half of a key pair whose other half a device or password manager keeps.

    It opens nothing by itself: a copy of the table lets nobody in.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="passkeys")
    credential_id = models.BinaryField(max_length=LONGEST_ID)
    public_key = models.BinaryField()  # as COSE has it
    # How often it was used, as it says itself; those that several devices share always say 0.
    sign_count = models.PositiveBigIntegerField(default=0)
    # Whether several devices may share it.
    is_synced = models.BooleanField()
    transports = models.JSONField(default=list)  # how a browser reaches it
    name = models.CharField(max_length=NAME_LENGTH)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True)

    objects = PasskeyQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["credential_id"], name="passkey_is_one")]

    def __str__(self) -> str:
        return f"passkey {self.pk}"

    def use(self, sign_count: int) -> bool:
        """Note a use; False where its count has not grown, or it was removed just now.

        By one UPDATE that asks for it: of two uses with the same count one is told False.
        """
        row = Passkey.objects.filter(pk=self.pk)
        as_before = (
            row.filter(sign_count__lt=sign_count) if sign_count else row.filter(sign_count=0)
        )
        return bool(as_before.update(sign_count=sign_count, last_used_at=timezone.now()))
