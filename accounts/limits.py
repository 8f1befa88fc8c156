"""How often what may be tried. Each policy counts by what its name says, on its own.

Everything is counted for accounts that do not exist as well, or the limit itself would tell which
do.
"""

from datetime import timedelta

from bottomline.limits import Limit

QUARTER, HOUR, DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)

# From a browser that never logged in to this account.
LOGIN_BY_ACCOUNT = Limit("login:account", 10, QUARTER)
LOGIN_BY_NETWORK = Limit("login:network", 30, QUARTER)
# From one that has: a budget of its own, which nobody elsewhere can use up.
LOGIN_BY_DEVICE = Limit("login:device", 10, QUARTER)

CONFIRMATION_PAUSE = Limit("confirmation:account:minute", 1, timedelta(seconds=60))
CONFIRMATION_BY_ACCOUNT = Limit("confirmation:account:day", 5, DAY)
CONFIRMATION_BY_NETWORK = Limit("confirmation:network", 10, HOUR)

PASSWORD_RESET_BY_ACCOUNT = Limit("password-reset:account", 3, QUARTER)
PASSWORD_RESET_BY_ACCOUNT_HOURLY = Limit("password-reset:account:hour", 5, HOUR)
PASSWORD_RESET_BY_NETWORK = Limit("password-reset:network", 10, HOUR)

# Judging and hashing a password costs us more than asking costs whoever asks.
PASSWORD_CHOICE_BY_NETWORK = Limit("password-choice:network", 30, HOUR)

BAD_TOKEN_BY_NETWORK = Limit("bad-token:network", 20, HOUR)
USERNAME_CHECK_BY_NETWORK = Limit("username-check:network", 60, timedelta(minutes=5))
