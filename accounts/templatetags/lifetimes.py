from django import template

from accounts.lifetimes import LIFETIMES, in_words

register = template.Library()
register.filter(in_words)


@register.simple_tag
def lifetime(name: str) -> str:
    """How long that lasts: {% lifetime "password_reset" %} is "30 minutes"."""
    return in_words(LIFETIMES[name])
