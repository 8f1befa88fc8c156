from django.urls import path

from invites import views

app_name = "invites"

urlpatterns = [
    path("invite/<str:token>/", views.welcome, name="welcome"),
    path("invite/<str:token>/decline/", views.decline, name="decline"),
    path("invite/<str:token>/mail/", views.by_mail, name="by_mail"),
    path("invite/<str:token>/google/", views.by_google, name="by_google"),
    path("signup/join/", views.join, name="join"),
    path("signup/", views.enter_code, name="enter_code"),
    path("signup/username/", views.username_check, name="username_check"),
    path("account/invites/", views.mine, name="mine"),
    path("account/invites/<uuid:public_id>/mail/", views.mail, name="mail"),
    path("account/invites/<uuid:public_id>/extend/", views.extend, name="extend"),
    path("account/invites/<uuid:public_id>/revoke/", views.revoke, name="revoke"),
]
