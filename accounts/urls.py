from django.urls import path

from accounts.views import account, email_confirmation, login, password_reset

app_name = "accounts"

urlpatterns = [
    path("invite/", email_confirmation.confirm_page, name="confirm_page"),
    path("confirm_account/", email_confirmation.confirm, name="confirm"),
    path("confirmation/resend/", email_confirmation.resend, name="resend_confirmation"),
    path("login/", login.log_in, name="login"),
    path("logout/", login.log_out, name="logout"),
    path("password/forgot/", password_reset.forgot, name="forgot_password"),
    path("password/reset/<str:token>/", password_reset.choose, name="reset_password"),
    path("account/", account.home, name="home"),
]
