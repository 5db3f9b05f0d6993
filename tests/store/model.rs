//! Random operations on a store, each answer compared with that of a small model which is right by being plain.
//!
//! What nobody can foretell is taken from the store once, when it first says it: moments. Everything said later must
//! agree with it. An operation names rooms, users and messages by small numbers, so that a failing sequence shrinks to
//! one that can be read.

mod operation;
mod plain;

use std::sync::Arc;

use livechat::store::Store;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::store::conformance::broken::Broken;
use crate::store::conformance::faulty::Fault;
use crate::store::conformance::fixture::{Fixture, every_store};
use operation::{Limited, Operation};
use plain::Plain;

/// Unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 64;

const OPERATIONS: std::ops::Range<usize> = 1..40;

fn agrees_with_the_model<F, Fresh>(fresh: Fresh)
where
    F: Fixture,
    Fresh: AsyncFn() -> F,
{
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    // What is costly to start is kept while anybody uses it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _kept = runtime.block_on(fresh());
    let operations = proptest::collection::vec(operation::any(), OPERATIONS);
    let result = TestRunner::new(config).run(&operations, |operations| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let fixture = fresh().await;
            run(&fixture, &operations).await.map_err(TestCaseError::fail)
        })
    });
    if let Err(difference) = result {
        panic!("{difference}");
    }
}

async fn run(on: &dyn Fixture, operations: &[Operation]) -> Result<(), String> {
    let stores: [Arc<dyn Store>; 2] = [on.store(), on.second_handle()];
    let mut plain = Plain::default();
    for (n, operation) in operations.iter().enumerate() {
        let agreed = plain.compare(&stores[n % 2], operation).await;
        agreed.map_err(|difference| format!("operation {n}, {operation:?}: {difference}"))?;
    }
    Ok(())
}

macro_rules! tests_of_every_store {
    ($($store:ident: $fixture:expr;)*) => {
        $(#[test]
        fn $store() {
            use crate::store::conformance::fixture::*;
            agrees_with_the_model(async || $fixture.await);
        })*
    };
}
every_store!(tests_of_every_store!());

/// The negative control: a difference is found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_whose_commits_share_a_seq_disagrees() {
    let send = Operation::Send { room: 0, user: 0, words: 0, client_id: None, limits: Limited::ROOMY };
    let mut operations = vec![Operation::Create { room: 0 }];
    operations.extend(std::iter::repeat_n(send, 6));
    let broken = Broken::by(Fault::SharedSeq).await;
    assert!(run(&Broken::by(Fault::None).await, &operations).await.is_ok());
    assert!(run(&broken, &operations).await.is_err_and(|difference| difference.contains("operation 6")));
}
