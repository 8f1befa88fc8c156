"""What one costs us is not at another's expense: queues of their own."""

import re
from collections.abc import Iterator

import pytest

from bottomline import local
from bottomline.celery import app
from bottomline.tests.servers import wait_until
from bottomline.tests.stack import Stack

# --- queues ---


@pytest.mark.asvs("15.4.4")
def test_mail_has_a_queue_that_nothing_else_is_in():
    app.loader.import_default_modules()  # as a worker does
    ours = [name for name in app.tasks if not name.startswith("celery.")]
    in_queues = {name: app.amqp.router.route({}, name)["queue"].name for name in ours}

    assert len(ours) > 5
    for name, queue in in_queues.items():
        assert queue == ("mail" if name.startswith("bottomline.outbox.") else "bulk"), name


def test_a_worker_that_is_not_told_which_queue_takes_from_both(settings):
    assert set(app.amqp.queues.consume_from) == set(settings.CELERY_TASK_QUEUES)


@pytest.mark.asvs("15.4.4")
def test_make_run_has_a_worker_for_each_queue(settings):
    commands = local._processes(8000, {"REDIS_URL": "redis://elsewhere"}, reload=False).values()
    served = re.findall(r"--queues (\S+)", " ".join(commands))
    assert sorted(served) == sorted(settings.CELERY_TASK_QUEUES)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("bulkheads")
    with Stack(folder, broker="redis").up(worker=False) as stack:
        yield stack


@pytest.mark.stack
@pytest.mark.asvs("15.4.4")
def test_mail_is_sent_while_nobody_makes_the_copies_that_members_asked_for(stack: Stack):
    """The copy is asked for first, and no scheduler runs: what is done is done in its turn."""
    stack.start_worker(local.worker_of("mail"))
    ada = stack.member("ada")
    assert ada.browser.post("/account/export/").status == 302
    stack.member("grace")  # who was mailed a link to confirm her address
    assert stack.sql("SELECT ready_at, attempts FROM accounts_export") == [(None, 0)]

    stack.worker.stop()
    stack.start_worker(local.worker_of("bulk"))
    made = "SELECT 1 FROM accounts_export WHERE ready_at IS NOT NULL"
    wait_until(lambda: stack.sql(made), what="the copy is made")
    announced = "SELECT status, attempts FROM outbox_outboxmessage WHERE kind = 'export_ready'"
    assert stack.sql(announced) == [("pending", 0)], "and that worker sends no mail"
