from accounts import limits
from accounts.forms.fields import EmailField
from bottomline.captcha.forms import CaptchaForm


class ResendForm(CaptchaForm):
    door = "resend"
    otherwise = limits.CONFIRMATION_WITHOUT_WORK

    email = EmailField()
