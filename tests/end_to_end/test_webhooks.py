"""A whole stack tells an owner's server what happens, also of a job that came too late."""

import json
import time

from cli.stack.info import StackInfo
from tests.docs.test_webhooks import snippet
from tests.end_to_end.owner import Json, Owner
from tests.worker.webhooks.receiver import Receiver, receiving

PATIENCE = 120.0


def failure_told(receiver: Receiver, secret: str, job_id: str) -> Json:
    """The message that a job has failed; whatever comes is verified as the documentation says."""
    deadline = time.monotonic() + PATIENCE
    while True:
        for seen in list(receiver.seen):
            snippet()(secret, seen.headers, seen.body)
            message: Json = json.loads(seen.body)
            if (message["type"], message["data"]["id"]) == ("job.failed", job_id):
                return message
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)


def test_a_receiver_is_told_of_a_job_that_missed_its_deadline(
    stack: StackInfo, owner: Owner, digits_npz: Json
) -> None:
    with receiving() as receiver:
        made = owner.http.post("/v1/webhooks", json={"url": receiver.url()}).json()
        job = owner.start(digits_npz, epsilon=0.3, budget_seconds=600, deadline=3)
        ended, _ = owner.finish(job["id"])
        assert (ended["status"], ended["error"]["code"]) == ("failed", "deadline_exceeded")
        message = failure_told(receiver, made["secret"], job["id"])
    assert message["data"]["error"]["code"] == "deadline_exceeded"
    log = owner.http.get(f"/v1/webhooks/{made['id']}/deliveries").json()["data"]
    assert message["id"] in {delivery["event_id"] for delivery in log}
    assert owner.http.delete(f"/v1/webhooks/{made['id']}").status_code == 204
