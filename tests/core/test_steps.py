"""Claiming, keeping and losing steps, on a real PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, update

from core import steps
from core.database import transaction
from core.ids import new_id
from core.tables import Step
from tests.rows import add_dataset

pytestmark = pytest.mark.usefixtures("servers")


@pytest.fixture
def pool() -> str:
    """A pool of its own for each test."""
    return new_id("pool")


def add_tenant() -> tuple[str, str]:
    with transaction() as session:
        dataset = add_dataset(session)
        return dataset.tenant_id, dataset.id


def add_step(
    pool: str,
    owner: tuple[str, str],
    queued_at: datetime | None = None,
    priority: int = 0,
    kind: str = "ingest",
) -> str:
    with transaction() as session:
        step = steps.enqueue(
            session,
            kind=kind,
            pool=pool,
            tenant_id=owner[0],
            dataset_id=owner[1],
            priority=priority,
            queued_at=queued_at,
        )
        return step.id


def claim(pool: str, lease_seconds: float = 60, kind: str = "ingest") -> steps.Claim | None:
    with transaction() as session:
        return steps.claim(session, pool, "tester", lease_seconds, kinds=[kind])


def must_claim(pool: str, lease_seconds: float = 60) -> steps.Claim:
    taken = claim(pool, lease_seconds)
    assert taken is not None
    return taken


def expire(taken: steps.Claim) -> None:
    with transaction() as session:
        session.execute(
            update(Step)
            .where(Step.id == taken.step_id)
            .values(lease_expires_at=func.now() - timedelta(seconds=1))
        )


def test_oldest_first_and_then_nothing(pool: str) -> None:
    owner = add_tenant()
    now = datetime.now(UTC)
    young = add_step(pool, owner, now)
    old = add_step(pool, owner, now - timedelta(hours=1))
    assert [must_claim(pool).step_id, must_claim(pool).step_id] == [old, young]
    assert claim(pool) is None


def test_the_tenant_with_fewest_running_steps_goes_first(pool: str) -> None:
    busy, quiet = add_tenant(), add_tenant()
    now = datetime.now(UTC)
    for minutes in (30, 20, 10):
        add_step(pool, busy, now - timedelta(minutes=minutes))
    late = add_step(pool, quiet, now)
    assert must_claim(pool).tenant_id == busy[0]
    assert must_claim(pool).step_id == late
    assert must_claim(pool).tenant_id == busy[0]


def test_priorities_count_within_a_tenant_and_not_between_tenants(pool: str) -> None:
    pushy, modest = add_tenant(), add_tenant()
    now = datetime.now(UTC)
    low = add_step(pool, pushy, now - timedelta(hours=3), priority=-1)
    old = add_step(pool, modest, now - timedelta(hours=2))
    high = add_step(pool, pushy, now - timedelta(hours=1), priority=10)
    # Nobody runs anything: the tenant whose next step is older begins, whatever its priority.
    assert [must_claim(pool).step_id for _ in range(3)] == [old, high, low]


def test_many_tenants_with_many_steps_take_turns(pool: str) -> None:
    owners = [add_tenant() for _ in range(5)]
    for owner in owners:
        for _ in range(3):
            add_step(pool, owner)
    for _ in range(3):
        taken = {must_claim(pool).tenant_id for _ in owners}
        assert taken == {tenant for tenant, _ in owners}
    assert claim(pool) is None


def test_what_a_worker_cannot_do_waits_for_one_that_can_and_holds_up_nothing(pool: str) -> None:
    owner = add_tenant()
    for _ in range(20):  # more than one claim looks at
        add_step(pool, owner, kind="of the next version")
    known = add_step(pool, owner)
    assert must_claim(pool).step_id == known
    assert claim(pool) is None
    newer = claim(pool, kind="of the next version")
    assert newer is not None
    assert newer.kind == "of the next version"


def test_many_claim_at_once_and_each_step_goes_to_one(pool: str) -> None:
    owner = add_tenant()
    added = {add_step(pool, owner) for _ in range(12)}
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda _: claim(pool), range(24)))
    claimed = [one.step_id for one in taken if one is not None]
    # Two claims may look at the same oldest row, one of them walks past it: nothing is taken twice.
    assert len(claimed) == len(set(claimed))
    while (one := claim(pool)) is not None:
        claimed.append(one.step_id)
    assert set(claimed) == added
    assert len(claimed) == len(added)


def test_a_lost_step_goes_to_another_and_the_first_can_write_nothing(pool: str) -> None:
    add_step(pool, add_tenant())
    first = must_claim(pool)
    expire(first)
    with transaction() as session:
        assert first.step_id in [one.step_id for one in steps.expired(session)]
        assert steps.lose(session, first, max_lost=3, only_if_expired=True) is False
    second = must_claim(pool)
    assert (second.step_id, second.token) == (first.step_id, first.token + 1)
    for write in (
        lambda session: steps.renew(session, first, 60),
        lambda session: steps.finish(session, first, {"wrong": True}),
        lambda session: steps.fail(session, first),
        lambda session: steps.give_back(session, first),
        lambda session: steps.lose(session, first, 3),
    ):
        with pytest.raises(steps.LeaseLost), transaction() as session:
            write(session)
    with transaction() as session:
        steps.finish(session, second, {"right": True})
    with transaction() as session:
        assert session.get_one(Step, second.step_id).result == {"right": True}


def test_a_renewed_lease_is_not_lost(pool: str) -> None:
    add_step(pool, add_tenant())
    taken = must_claim(pool)
    expire(taken)
    with transaction() as session:
        steps.renew(session, taken, 60)
    with pytest.raises(steps.LeaseLost), transaction() as session:
        steps.lose(session, taken, max_lost=3, only_if_expired=True)


def test_a_step_is_given_up_after_three_losses(pool: str) -> None:
    add_step(pool, add_tenant())
    for given_up in (False, False, True):
        taken = must_claim(pool)
        with transaction() as session:
            assert steps.lose(session, taken, max_lost=3) is given_up
    assert claim(pool) is None


def test_an_orderly_return_does_not_count_as_a_loss(pool: str) -> None:
    add_step(pool, add_tenant())
    for _ in range(5):
        taken = must_claim(pool)
        with transaction() as session:
            steps.give_back(session, taken)
    with transaction() as session:
        assert session.get_one(Step, taken.step_id).lost_count == 0


def test_a_token_of_the_past_opens_nothing(pool: str) -> None:
    add_step(pool, add_tenant())
    taken = must_claim(pool)
    with transaction() as session:
        assert steps.get(session, taken.step_id, taken.token) == taken
    with pytest.raises(steps.LeaseLost), transaction() as session:
        steps.get(session, taken.step_id, replace(taken, token=taken.token + 1).token)


def test_an_orderly_drop_ends_a_step(pool: str) -> None:
    add_step(pool, add_tenant())
    taken = must_claim(pool)
    with transaction() as session:
        steps.drop(session, taken)
    assert claim(pool) is None
    with pytest.raises(steps.LeaseLost), transaction() as session:
        steps.finish(session, taken, {})
