"""Upload, protect, wait, download, evaluate.

UNLEARNABLE_URL and UNLEARNABLE_API_KEY say where, or a stack of `unlearnable up` in this folder:

    python protect.py photos.zip 8/255 protected
"""

import sys
from pathlib import Path

from unlearnable import Job, Unlearnable


def show(job: Job) -> None:
    print(f"{job.status} {job.phase or ''} {job.progress:.0%}")


images, epsilon, out = sys.argv[1:4]
Path(out).mkdir(parents=True, exist_ok=True)

with Unlearnable() as client:
    dataset = client.datasets.upload(images)
    job = client.jobs.create(dataset.id, epsilon=epsilon)
    client.jobs.wait(job.id, on_progress=show)
    for artifact in client.artifacts.list(job.id, kind="protected_dataset"):
        print(client.artifacts.download(artifact, out))
    print(client.jobs.evaluation(job.id).verdict.summary)

    # And if a learner compresses harder than the job has tried, and uses another network?
    asked = client.evaluations.create(
        dataset.id, job_id=job.id, victims=["small-strided"], countermeasures=["jpeg-10"]
    )
    result = client.evaluations.wait(asked.id).result
    assert result is not None
    print(result.verdict.summary)
