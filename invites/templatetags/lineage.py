"""`{% load lineage %}{% lineage person %}`: who invited whom, for pages of apps below this one."""

from django import template

from accounts.models import User
from invites import lineage as tree

register = template.Library()


@register.inclusion_tag("invites/lineage.html")
def lineage(person: User) -> dict[str, tree.Lineage]:
    return {"lineage": tree.of(person)}
