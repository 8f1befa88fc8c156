from datetime import timedelta

from bottomline.limits import Limit

BAD_INVITE_BY_NETWORK = Limit("bad-invite:network", 20, timedelta(hours=1))
# Generous: a whole office may sign up at once.
SIGNUP_BY_NETWORK = Limit("signup:network", 30, timedelta(hours=1))
# Mails about an address that somebody has signed up with before.
REPEATED_SIGNUP_BY_ADDRESS = Limit("signup:address", 5, timedelta(days=1))
ISSUE_BY_MEMBER = Limit("invite:member", 20, timedelta(days=1))
