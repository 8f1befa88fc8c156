from django.urls import path

from accounts.views import account, email_confirmation, login

app_name = "accounts"

urlpatterns = [
    path("invite/", email_confirmation.confirm_page, name="confirm_page"),
    path("confirm_account/", email_confirmation.confirm, name="confirm"),
    path("confirmation/resend/", email_confirmation.resend, name="resend_confirmation"),
    path("login/", login.log_in, name="login"),
    path("logout/", login.log_out, name="logout"),
    path("account/", account.home, name="home"),
]
