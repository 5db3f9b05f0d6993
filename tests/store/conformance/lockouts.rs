//! Clause 11: failures and code attempts are counted in one step, for all nodes together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use livechat::domain::room::RoomId;
use livechat::store::{
    AttemptLimits, AttemptingClient, CodeAttempt, FailureOutcome, LockoutPolicy, Store, StoreError, Subject,
};

use super::fixture::Fixture;
use super::kit::*;

const LOCKOUT: LockoutPolicy = LockoutPolicy {
    max_failures: 10,
    first: Duration::from_secs(60),
    longest: Duration::from_secs(3_600),
    forget_after: Duration::from_secs(86_400),
};

fn random_subject() -> Subject {
    Subject(rand::random())
}

fn random_client() -> AttemptingClient {
    AttemptingClient { subject: random_subject(), block: random_subject() }
}

/// Records a failure that must be refused. Returns the remaining lockout.
async fn locked_out(store: &Arc<dyn Store>, subject: Subject, policy: LockoutPolicy) -> Outcome<Duration> {
    match store.record_failure(subject, policy).await? {
        FailureOutcome::LockedOut(left) => Ok(left),
        FailureOutcome::Counted(_) => Err(Breach("a failure was counted during the lockout".into())),
    }
}

/// Records a failure that must be counted.
async fn counted(store: &Arc<dyn Store>, subject: Subject, policy: LockoutPolicy) -> Outcome<()> {
    match store.record_failure(subject, policy).await? {
        FailureOutcome::Counted(_) => Ok(()),
        FailureOutcome::LockedOut(left) => Err(Breach(format!("locked out for {left:?} too early"))),
    }
}

pub async fn contract_11_no_more_failures_are_counted_than_the_policy_allows(on: &dyn Fixture) -> Outcome {
    let (here, there, subject) = (on.store(), on.second_handle(), random_subject());
    let recorded = (0..100).map(|n| if n % 2 == 0 { &here } else { &there }.record_failure(subject, LOCKOUT));
    let outcomes = join_all(recorded).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let counted = outcomes.iter().filter(|outcome| matches!(outcome, FailureOutcome::Counted(_))).count();
    ensure_eq!(counted, 10, "failures counted of a hundred at once");
    let left = locked_out(&there, subject, LOCKOUT).await?;
    ensure!(left <= LOCKOUT.first && left > Duration::from_secs(30), "the first lockout lasts {left:?}");
    ensure!(
        matches!(here.record_failure(random_subject(), LOCKOUT).await?, FailureOutcome::Counted(_)),
        "another subject is locked out"
    );
    Ok(())
}

pub async fn contract_11_each_further_failure_doubles_the_lockout(on: &dyn Fixture) -> Outcome {
    let (store, subject) = (on.store(), random_subject());
    let first = Duration::from_secs(1);
    let lockout = LockoutPolicy { max_failures: 2, first, longest: first * 3, ..LOCKOUT };
    counted(&store, subject, lockout).await?;
    for whole in [first, first * 2, first * 3] {
        let before = Instant::now();
        counted(&store, subject, lockout).await?;
        let left = locked_out(&store, subject, lockout).await?;
        let passed = before.elapsed() + Duration::from_millis(2);
        ensure!(left <= whole && left + passed >= whole, "{left:?} of {whole:?} after {passed:?}");
        tokio::time::sleep(left + Duration::from_millis(2)).await;
    }
    Ok(())
}

pub async fn contract_11_an_undone_failure_undoes_its_lockout(on: &dyn Fixture) -> Outcome {
    let (here, there, subject) = (on.store(), on.second_handle(), random_subject());
    let lockout = LockoutPolicy { max_failures: 1, ..LOCKOUT };
    for _ in 0..3 {
        let FailureOutcome::Counted(record) = here.record_failure(subject, lockout).await? else {
            return Err(Breach("locked out by failures that were undone".into()));
        };
        locked_out(&here, subject, lockout).await?;
        there.undo_failure(subject, record).await?;
    }
    let FailureOutcome::Counted(early) =
        here.record_failure(subject, LockoutPolicy { max_failures: 2, ..LOCKOUT }).await?
    else {
        return Err(Breach("locked out before the second failure".into()));
    };
    counted(&here, subject, LockoutPolicy { max_failures: 1, ..LOCKOUT }).await?;
    here.undo_failure(subject, early).await?;
    locked_out(&here, subject, lockout).await?;
    there.undo_failure(random_subject(), early).await?;
    Ok(())
}

pub async fn contract_11_failures_are_forgotten_in_time(on: &dyn Fixture) -> Outcome {
    let (store, subject) = (on.store(), random_subject());
    let kept = Duration::from_secs(2);
    let lockout = LockoutPolicy { max_failures: 2, first: kept, longest: kept, forget_after: kept };
    for _ in 0..2 {
        counted(&store, subject, lockout).await?;
        tokio::time::sleep(kept + Duration::from_millis(50)).await;
    }
    counted(&store, subject, lockout).await?;
    counted(&store, subject, lockout).await?;
    locked_out(&store, subject, lockout).await.map(drop)
}

pub async fn contract_11_wrong_codes_of_a_room_are_limited_over_all_clients(on: &dyn Fixture) -> Outcome {
    let (here, there) = (on.store(), on.second_handle());
    let room = room(&here).await?;
    let limits = Some(AttemptLimits { unrestricted: 10, total: 30 });
    let attempts =
        (0..100).map(|n| if n % 2 == 0 { &here } else { &there }.begin_code_attempt(room, random_client(), limits));
    let attempts = join_all(attempts).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let counted = attempts.iter().filter(|attempt| **attempt == CodeAttempt::Counted).count();
    ensure_eq!(counted, 30, "attempts counted of a hundred at once");
    let closed = here.begin_code_attempt(room, random_client(), limits).await?;
    ensure!(matches!(closed, CodeAttempt::Closed(left) if left <= DAY && left > DAY / 2), "closed until: {closed:?}");
    Ok(())
}

pub async fn contract_11_past_the_first_limit_each_block_has_one_attempt_left(on: &dyn Fixture) -> Outcome {
    let (here, there) = (on.store(), on.second_handle());
    let (room, one) = (room(&here).await?, random_client());
    let neighbor = AttemptingClient { subject: random_subject(), ..one };
    let limits = Some(AttemptLimits { unrestricted: 5, total: 50 });
    for _ in 0..6 {
        ensure_eq!(
            here.begin_code_attempt(room, one, limits).await?,
            CodeAttempt::Counted,
            "an attempt within the limits"
        );
    }
    ensure!(
        matches!(there.begin_code_attempt(room, one, limits).await?, CodeAttempt::Closed(_)),
        "a client has two attempts left"
    );
    ensure!(
        matches!(here.begin_code_attempt(room, neighbor, limits).await?, CodeAttempt::Closed(_)),
        "a block has two attempts left"
    );
    ensure_eq!(
        there.begin_code_attempt(room, random_client(), limits).await?,
        CodeAttempt::Counted,
        "the one attempt of another block"
    );
    here.trust_client(room, one, true).await?;
    ensure_eq!(
        there.begin_code_attempt(room, neighbor, limits).await?,
        CodeAttempt::Counted,
        "the attempt that was undone"
    );
    Ok(())
}

pub async fn contract_11_a_trusted_client_is_known_on_every_node(on: &dyn Fixture) -> Outcome {
    let (here, there) = (on.store(), on.second_handle());
    let (room, other, trusted) = (room(&here).await?, room(&here).await?, random_client());
    let limits = Some(AttemptLimits { unrestricted: 1, total: 1 });
    ensure!(
        matches!(here.begin_code_attempt(room, trusted, None).await?, CodeAttempt::Closed(_)),
        "an attempt without limits was counted"
    );
    ensure_eq!(here.begin_code_attempt(room, trusted, limits).await?, CodeAttempt::Counted, "the first attempt");
    here.trust_client(room, trusted, true).await?;
    ensure_eq!(
        there.begin_code_attempt(room, trusted, limits).await?,
        CodeAttempt::Known,
        "a trusted client on the other node"
    );
    ensure_eq!(
        there.begin_code_attempt(room, trusted, None).await?,
        CodeAttempt::Known,
        "a trusted client without limits"
    );
    ensure_eq!(
        there.begin_code_attempt(room, random_client(), limits).await?,
        CodeAttempt::Counted,
        "the attempt that was undone"
    );
    ensure!(
        matches!(here.begin_code_attempt(room, random_client(), limits).await?, CodeAttempt::Closed(_)),
        "one attempt too many"
    );
    ensure_eq!(
        here.begin_code_attempt(other, trusted, limits).await?,
        CodeAttempt::Counted,
        "a trusted client of another room"
    );
    Ok(())
}

pub async fn contract_11_an_unknown_room_is_not_found(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let limits = Some(AttemptLimits { unrestricted: 1, total: 1 });
    ensure_refused!(
        store.begin_code_attempt(RoomId::random(), random_client(), limits).await,
        StoreError::NotFound,
        "an attempt at an unknown room"
    );
    ensure_refused!(
        store.trust_client(RoomId::random(), random_client(), false).await,
        StoreError::NotFound,
        "trust in an unknown room"
    );
    Ok(())
}
