"""How often what may be tried. Each policy counts by what its name says, on its own.

Everything is counted for accounts that do not exist as well, or the limit itself would tell which
do.
"""

from datetime import timedelta

from bottomline.limits import Limit

QUARTER, HOUR, DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)

# From browsers that never logged in to this account. Who keeps failing waits for longer and longer,
# and works for it from the third failure on: see bottomline.captcha. One that tries the same few
# passwords on many accounts fails once at each, and is known by its network.
LOGIN_BY_ACCOUNT = (
    Limit("login:account", 10, QUARTER, without_work=3),
    Limit("login:account:hour", 20, HOUR),
    Limit("login:account:day", 50, DAY),
)
LOGIN_BY_NETWORK = Limit("login:network", 30, QUARTER, without_work=5)
# From one that has: a budget of its own, which nobody elsewhere can use up.
LOGIN_BY_DEVICE = (
    Limit("login:device", 10, QUARTER, without_work=3),
    Limit("login:device:hour", 20, HOUR),
    Limit("login:device:day", 50, DAY),
)
# Mails to an owner whose account strangers keep trying, with a link that lets a new browser in.
UNLOCK_MAIL_BY_ACCOUNT = Limit("login:unlock-mail", 1, DAY)
# Browsers one such link lets in: the one of the mail program may not be the one that is meant.
UNLOCK_BY_LINK = Limit("login:unlock-link", 5, DAY)

# Beside those for passwords, so that neither way in is closed by those who try the other. Counted
# by the account from browsers that are strange to it, and by the browser from one that is not.
LOGIN_MAIL_BY_ACCOUNT = (
    Limit("login-mail:account", 3, QUARTER),
    Limit("login-mail:account:hour", 5, HOUR),
)
LOGIN_MAIL_BY_DEVICE = (
    Limit("login-mail:device", 3, QUARTER),
    Limit("login-mail:device:hour", 5, HOUR),
)
LOGIN_MAIL_BY_NETWORK = Limit("login-mail:network", 10, HOUR)
LOGIN_MAIL_WITHOUT_WORK = Limit("login-mail:without-work", 3, QUARTER)
# Each code has five guesses of its own; these outlive codes, and the browsers they are typed in.
CODE_BY_ACCOUNT = (
    Limit("login-code:account", 10, HOUR),
    Limit("login-code:account:day", 50, DAY),
)
CODE_BY_DEVICE = (
    Limit("login-code:device", 10, HOUR),
    Limit("login-code:device:day", 50, DAY),
)

# Each has us ask the provider, and wait for it.
GOOGLE_BEGIN_BY_NETWORK = Limit("google:begin", 60, QUARTER)
GOOGLE_BY_NETWORK = Limit("google:network", 30, QUARTER)

# Somebody who sits at a member's open session and cannot prove to be the member.
PROOF_BY_SESSION = Limit("proof:session", 5, DAY)

# Codes of a second factor, right or wrong: who types them has proved the first, or is logged in.
FACTOR_BY_ACCOUNT = Limit("second-factor:account", 5, QUARTER)
FACTOR_BY_LOGIN = Limit("second-factor:login", 5, DAY)

# Mails to an owner whose first factor somebody else knows: the first says it all.
FACTOR_MAIL_BY_ACCOUNT = Limit("second-factor:mail", 1, DAY)

# Whoever asks has proved the first factor. Each is some mails.
FACTOR_RESET_BY_ACCOUNT = Limit("factor-reset:account", 3, DAY)

# Nobody guesses a signature: this keeps who tries from keeping us busy. None counts by the account,
# for with its password anybody could use that up, and the owner has no other second factor then.
PASSKEY_BY_NETWORK = Limit("passkey:network", 60, QUARTER)
# Each is a mail.
PASSKEY_ADD_BY_MEMBER = Limit("passkey:add", 20, DAY)

CONFIRMATION_PAUSE = Limit("confirmation:account:minute", 1, timedelta(seconds=60))
CONFIRMATION_BY_ACCOUNT = Limit("confirmation:account:day", 5, DAY)
CONFIRMATION_BY_NETWORK = Limit("confirmation:network", 10, HOUR)
# From browsers that have not worked for it: see bottomline.captcha.
CONFIRMATION_WITHOUT_WORK = Limit("confirmation:without-work", 3, QUARTER)

# One window shorter than a link's life and no longer one beside it: whoever else asks, and however
# often, its owner's mailbox always holds a link that works.
PASSWORD_RESET_BY_ACCOUNT = Limit("password-reset:account", 1, QUARTER)
PASSWORD_RESET_BY_NETWORK = Limit("password-reset:network", 10, HOUR)
PASSWORD_RESET_WITHOUT_WORK = Limit("password-reset:without-work", 3, QUARTER)

# Beside those: whoever has used them up may be asking staff for help.
MAIL_BY_STAFF = Limit("staff-mail:member", 10, DAY)

EMAIL_CHANGE_BY_MEMBER = Limit("email-change:member", 3, DAY)
EMAIL_CHANGE_BY_NETWORK = Limit("email-change:network", 10, HOUR)
# Generous; counting at all sees to it that nothing is moved while Redis is away, and the sessions
# that are to end with it.
EMAIL_MOVE_BY_NETWORK = Limit("email-move:network", 30, HOUR)
EMAIL_CHANGE_PAUSE = Limit("email-change:resend:minute", 1, timedelta(seconds=60))
EMAIL_CHANGE_RESEND_BY_MEMBER = Limit("email-change:resend", 5, DAY)

# Judging and hashing a password costs us more than asking costs whoever asks.
PASSWORD_CHOICE_BY_NETWORK = Limit("password-choice:network", 30, HOUR)

# Leaving and coming back: each is a mail.
CLOSING_BY_MEMBER = Limit("closing:member", 5, DAY)

BAD_TOKEN_BY_NETWORK = Limit("bad-token:network", 20, HOUR)
USERNAME_CHECK_BY_NETWORK = Limit("username-check:network", 60, timedelta(minutes=5))

# Each costs a process and a second of a core.
PICTURE_BY_MEMBER = Limit("picture:member", 10, HOUR)
# Each holds a thread for as long as its reader takes, where no proxy buffers.
EXPORT_DOWNLOAD_BY_MEMBER = Limit("export:download", 20, HOUR)
PROFILE_BY_MEMBER = Limit("profile:member", 60, HOUR)
