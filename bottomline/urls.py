from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from bottomline import csp_reports, views
from bottomline.captcha import views as captcha
from bottomline.health import views as health
from bottomline.sessions import views as sessions

handler400 = views.bad_request
handler403 = views.forbidden
handler404 = views.not_found
handler500 = views.fault

urlpatterns = [
    path("", views.landing, name="landing"),
    path("session/", sessions.who_is_this, name="session"),
    path("", include("invites.urls")),
    path("", include("accounts.urls")),
    path("admin/", admin.site.urls),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path(settings.CSP_REPORT_PATH.lstrip("/"), csp_reports.receive),
    path("challenge/<slug:door>/", captcha.challenge, name="challenge"),
    path("robots.txt", views.robots),
    path(".well-known/security.txt", views.security_txt),
]

if settings.DEBUG:
    from bottomline import mailbox

    urlpatterns.append(path("dev/mailbox/", mailbox.show, name="mailbox"))
