//! Runs random operations on a store and compares each result with that of a simple model.
//!
//! The model takes over unpredictable values (timestamps) when the store first returns them; all later results must agree.
//! Operations identify rooms, users and messages by small numbers, so that a failing sequence shrinks to a readable one.

mod operation;
mod reference;
mod room;
mod values;

use std::sync::Arc;

use livechat::store::Store;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::store::conformance::broken::Broken;
use crate::store::conformance::faulty::Fault;
use crate::store::conformance::fixture::{Fixture, every_store};
use operation::{Operation, SmallActor, SmallLimits};
use reference::Model;

/// The number of cases, unless `PROPTEST_CASES` is set.
const CASES: u32 = 64;

const OPERATIONS: std::ops::Range<usize> = 1..40;

fn ensure_agreement<F, Fresh>(fresh: Fresh)
where
    F: Fixture,
    Fresh: AsyncFn() -> F,
{
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    // Keeps expensive servers running between the cases.
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
    let mut model = Model::default();
    for (n, operation) in operations.iter().enumerate() {
        let agreed = model.compare(&stores[n % 2], operation).await;
        agreed.map_err(|difference| format!("operation {n}, {operation:?}: {difference}"))?;
    }
    Ok(())
}

macro_rules! tests_of_every_store {
    ($($store:ident: $fixture:expr;)*) => {
        $(#[test]
        fn $store() {
            use crate::store::conformance::fixture::*;
            ensure_agreement(async || $fixture.await);
        })*
    };
}
every_store!(tests_of_every_store!());

/// Negative control: a broken store disagrees with the model.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_whose_commits_share_a_seq_disagrees() {
    let actor = SmallActor { user: 0, address: None, is_owner: false };
    let limits = SmallLimits::ROOMY;
    let send = Operation::Send { room: 0, actor, text: 0, client_id: None, reply_to: None, limits };
    let mut operations = vec![Operation::Create { room: 0 }];
    operations.extend(std::iter::repeat_n(send, 6));
    let broken = Broken::with(Fault::SharedSeq).await;
    assert!(run(&Broken::with(Fault::None).await, &operations).await.is_ok());
    assert!(run(&broken, &operations).await.is_err_and(|difference| difference.contains("operation 6")));
}
