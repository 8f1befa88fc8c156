from datetime import timedelta

from bottomline.limits import Limit

BAD_INVITE_BY_NETWORK = Limit("bad-invite:network", 20, timedelta(hours=1))
# Generous: a whole office may sign up at once.
SIGNUP_BY_NETWORK = Limit("signup:network", 30, timedelta(hours=1))
# From browsers that have not worked for it: see bottomline.captcha.
SIGNUP_WITHOUT_WORK = Limit("signup:without-work", 3, timedelta(minutes=15))
# Mails about an address that somebody has signed up with before.
REPEATED_SIGNUP_BY_ADDRESS = Limit("signup:address", 5, timedelta(days=1))
ISSUE_BY_MEMBER = Limit("invite:member", 20, timedelta(days=1))
EXTEND_BY_MEMBER = Limit("invite-extend:member", 20, timedelta(days=1))

MAIL_PAUSE = Limit("invite-mail:invite:minute", 1, timedelta(seconds=60))
MAIL_BY_INVITE = Limit("invite-mail:invite", 3, timedelta(days=1))
MAIL_BY_MEMBER = Limit("invite-mail:member", 20, timedelta(days=1))
# From all members together, and without a word to them: who else invites whom is not theirs.
MAIL_TO_MAILBOX = Limit("invite-mail:mailbox", 5, timedelta(days=1))
