"""The admin, seen from within the networks of staff and from anywhere else."""

from ipaddress import ip_network

import pytest

from conftest import Person, Visitor, log_in

OFFICE = ["192.0.2.0/24", "2001:db8:1::/48"]
PATHS = ["/admin/", "/admin", "/admin/login/", "/admin/accounts/user/", "/admin/nothing/"]


@pytest.fixture(autouse=True)
def _office(settings):
    settings.ADMIN_NETWORKS = [ip_network(network) for network in OFFICE]


@pytest.mark.asvs("8.4.2")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("address", ["203.0.113.7", "192.0.3.1", "2001:db8:2::1", ""])
def test_from_elsewhere_an_owner_finds_no_admin(olivia: Person, path, address):
    visitor = Visitor()
    visitor.defaults["REMOTE_ADDR"] = address
    log_in(visitor, olivia)

    for response in (visitor.get(path), visitor.post(path), Visitor().get(path)):
        assert response.status_code == 404
        assert "Location" not in response
    assert visitor.get("/account/").status_code == 200


@pytest.mark.asvs("8.4.2")
@pytest.mark.parametrize("address", ["192.0.2.200", "::ffff:192.0.2.200", "2001:db8:1:2::3"])
def test_within_the_networks_staff_alone_enter(olivia: Person, alice: Person, address):
    owner, member, stranger = Visitor(), Visitor(), Visitor()
    for visitor in (owner, member, stranger):
        visitor.defaults["REMOTE_ADDR"] = address
    log_in(owner, olivia)
    log_in(member, alice)

    assert owner.get("/admin/").status_code == 200
    assert member.get("/admin/", follow=True).status_code == 403
    assert stranger.get("/admin/")["Location"].startswith("/admin/login/")


@pytest.mark.asvs("8.4.2")
def test_nobody_gets_there_by_saying_that_they_are(settings, olivia: Person):
    settings.TRUSTED_PROXY_COUNT = 1
    visitor = Visitor()
    log_in(visitor, olivia)
    said = {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": "192.0.2.7, 203.0.113.7"}
    assert visitor.get("/admin/", **said).status_code == 404
