//! Admitting and withdrawing users: what the doc comments of `admit`, `withdraw` and `Admitted` promise.

use std::sync::Arc;

use livechat::domain::timestamp::Timestamp;
use livechat::domain::user::{DisplayName, Token, User};
use livechat::store::{Admission, Admitted, PresentedToken, Store};

use super::fixture::Fixture;
use super::kit::*;

/// Far enough away not to matter.
pub const KEPT: Timestamp = Timestamp::from_millis(4_000_000_000_000);

/// What a client has: its id, the token it shows, and the one offered to the store as that one's next_token.
#[derive(Clone)]
pub struct Wallet {
    user: User,
    token: Option<Token>,
    next: Token,
}

impl Wallet {
    /// A client without a token.
    pub fn of(name: &str) -> Self {
        Self::of_user(named_user(name))
    }

    pub fn of_user(user: User) -> Self {
        Self { user, token: None, next: Token::random() }
    }

    /// A client that makes up its own first token.
    pub fn with_own_token(name: &str) -> Self {
        Self::of(name).showing(Some(Token::random()))
    }

    fn showing(&self, token: Option<Token>) -> Self {
        Self { token, next: Token::random(), user: self.user.clone() }
    }

    /// The same client, which has not got its last answer and asks again.
    pub fn showing_again(&self) -> Self {
        self.showing(self.token)
    }

    pub fn user(&self) -> &User {
        &self.user
    }

    pub fn ask(&self, keep_until: Timestamp, as_newcomer: bool) -> Admission {
        Admission {
            user: self.user.id.clone(),
            presented: self
                .token
                .map(|token| PresentedToken { hash: token.hash(), sealed_next_token: token.seal(&self.next) }),
            next_token: self.next.hash(),
            keep_until,
            register_as: as_newcomer.then(|| self.user.display_name.clone()),
        }
    }

    /// Puts the offered token in the place of the one shown; returns the one shown.
    pub fn take_next(&mut self) -> Option<Token> {
        self.token.replace(std::mem::replace(&mut self.next, Token::random()))
    }
}

/// Makes the client's user known, or takes the next token for it.
pub async fn authenticate(store: &Arc<dyn Store>, wallet: &mut Wallet, keep_until: Timestamp) -> Outcome {
    match store.authenticate(wallet.ask(keep_until, true)).await? {
        Admitted::Created(user) | Admitted::Rotated(user) => {
            ensure_eq!(user, *wallet.user(), "the admitted user");
            wallet.take_next();
            Ok(())
        }
        other => Err(Breach(format!("{:?} was not admitted: {other:?}", wallet.user().id))),
    }
}

/// A user who is known, and its client.
async fn known(store: &Arc<dyn Store>, name: &str) -> Outcome<Wallet> {
    let mut wallet = Wallet::of(name);
    authenticate(store, &mut wallet, KEPT).await?;
    Ok(wallet)
}

/// That the wallet's token is the current one.
pub async fn is_current(store: &Arc<dyn Store>, wallet: &mut Wallet) -> Outcome {
    let asked = store.authenticate(wallet.ask(KEPT, false)).await?;
    ensure_eq!(asked, Admitted::Rotated(wallet.user().clone()), "the current token");
    wallet.take_next();
    Ok(())
}

pub async fn admit_leaves_an_unknown_user_without_a_name_unknown(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let nobody = Wallet::of("nobody");
    let somebody = nobody.showing(Some(Token::random()));
    for _ in 0..2 {
        ensure_eq!(store.authenticate(nobody.ask(KEPT, false)).await?, Admitted::Unknown, "a user without a token");
        ensure_eq!(store.authenticate(somebody.ask(KEPT, false)).await?, Admitted::Unknown, "a user with a token");
    }
    let created = store.authenticate(nobody.ask(KEPT, true)).await?;
    ensure_eq!(created, Admitted::Created(nobody.user().clone()), "the user with a name");
    Ok(())
}

pub async fn admit_makes_a_user_known_once(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let mut ann = known(&store, "ann").await?;
    for store in [on.store(), on.second_handle()] {
        let again = store.authenticate(ann.showing(None).ask(KEPT, true)).await?;
        ensure_eq!(again, Admitted::WrongToken, "the same id without a token");
    }
    let name = ann.user.display_name.clone();
    ann.user.display_name = DisplayName::from_stored("another name".into());
    let asked = store.authenticate(ann.ask(KEPT, true)).await?;
    let expected = User { display_name: name, ..ann.user.clone() };
    ensure_eq!(asked, Admitted::Rotated(expected), "a known user who brings another name");
    Ok(())
}

pub async fn admit_rotates_the_current_token(on: &dyn Fixture) -> Outcome {
    let mut ann = known(&on.store(), "ann").await?;
    for _ in 0..3 {
        is_current(&on.store(), &mut ann).await?;
        is_current(&on.second_handle(), &mut ann).await?;
    }
    Ok(())
}

pub async fn admit_repeats_the_successor_for_the_token_before(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let mut ann = known(&store, "ann").await?;
    is_current(&store, &mut ann.clone()).await?;
    let used = ann.token;
    for store in [on.store(), on.second_handle(), on.store()] {
        // Each repeat offers a next_token of its own, which does not count.
        let asked = store.authenticate(ann.showing(used).ask(KEPT, true)).await?;
        let Admitted::Repeated(user, sealed) = asked else {
            return Err(Breach(format!("the token before was answered with {asked:?}")));
        };
        ensure_eq!(user, *ann.user(), "the user");
        let unsealed = used.map(|token| token.unseal(&sealed));
        ensure!(unsealed == Some(ann.next), "the sealed token is not the next_token");
    }
    ann.take_next();
    is_current(&store, &mut ann).await
}

pub async fn admit_lets_the_token_before_die_when_its_successor_is_used(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let mut ann = known(&store, "ann").await?;
    let first = ann.token;
    is_current(&store, &mut ann).await?;
    is_current(&store, &mut ann).await?;
    let asked = store.authenticate(ann.showing(first).ask(KEPT, true)).await?;
    ensure_eq!(asked, Admitted::WrongToken, "a token whose next_token was used");
    is_current(&store, &mut ann).await
}

pub async fn admit_changes_nothing_for_a_wrong_token(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let mut ann = known(&store, "ann").await?;
    let before = ann.token;
    is_current(&store, &mut ann).await?;
    let mut bob = known(&store, "bob").await?;
    for wrong in [None, Some(Token::random()), bob.token] {
        let asked = store.authenticate(ann.showing(wrong).ask(KEPT, true)).await?;
        ensure_eq!(asked, Admitted::WrongToken, "a wrong token");
    }
    let asked = store.authenticate(ann.showing(before).ask(KEPT, false)).await?;
    ensure!(matches!(asked, Admitted::Repeated(..)), "the token before, after wrong ones: {asked:?}");
    is_current(&store, &mut ann).await?;
    is_current(&store, &mut bob).await
}

pub async fn admit_counts_an_own_token_as_the_one_before(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let own = Token::random();
    let mut ann = Wallet::of("ann").showing(Some(own));
    let created = store.authenticate(ann.ask(KEPT, true)).await?;
    ensure_eq!(created, Admitted::Created(ann.user().clone()), "a first action with an own token");
    let repeated = store.authenticate(ann.showing(Some(own)).ask(KEPT, true)).await?;
    let Admitted::Repeated(_, sealed) = repeated else {
        return Err(Breach(format!("the repeated first action was answered with {repeated:?}")));
    };
    ensure!(own.unseal(&sealed) == ann.next, "the sealed token is not the first one");
    ann.take_next();
    is_current(&store, &mut ann).await?;
    let dead = store.authenticate(ann.showing(Some(own)).ask(KEPT, true)).await?;
    ensure_eq!(dead, Admitted::WrongToken, "the own token after the first one was used");
    Ok(())
}

pub async fn admit_rotates_once_under_contention(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let ann = known(&store, "ann").await?;
    let Some(shown) = ann.token else { return Err(Breach("a known user has a token".into())) };
    let answers = side_by_side((0..20).map(|n| {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        let wallet = ann.showing(Some(shown));
        async move { (store.authenticate(wallet.ask(KEPT, true)).await, wallet.next) }
    }))
    .await;
    let mut winners = Vec::new();
    let mut repeats = Vec::new();
    for (answer, offered) in answers {
        match answer? {
            Admitted::Rotated(_) => winners.push(offered),
            Admitted::Repeated(_, sealed) => repeats.push(shown.unseal(&sealed)),
            other => return Err(Breach(format!("a good token was answered with {other:?}"))),
        }
    }
    ensure_eq!((winners.len(), repeats.len()), (1, 19), "rotated and repeated of 20");
    ensure!(
        repeats.iter().all(|token| *token == winners[0]),
        "a repeat was given another token than the one that counts"
    );
    is_current(&store, &mut ann.showing(Some(winners[0]))).await
}

pub async fn admit_creates_once_under_contention(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let ann = Wallet::of("ann");
    let answers = side_by_side((0..20).map(|n| {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        let wallet = ann.showing(None);
        async move { (store.authenticate(wallet.ask(KEPT, true)).await, wallet.next) }
    }))
    .await;
    let mut winners = Vec::new();
    for (answer, offered) in answers {
        match answer? {
            Admitted::Created(_) => winners.push(offered),
            Admitted::WrongToken => {}
            other => return Err(Breach(format!("a newcomer was answered with {other:?}"))),
        }
    }
    ensure_eq!(winners.len(), 1, "the created of 20");
    is_current(&store, &mut ann.showing(Some(winners[0]))).await
}

pub async fn withdraw_forgets_a_user_while_its_token_is_current(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let ann = known(&store, "ann").await?;
    let Some(token) = ann.token else { return Err(Breach("a known user has a token".into())) };
    on.second_handle().forget_new_user(&ann.user.id, token.hash()).await?;
    ensure_eq!(store.authenticate(ann.ask(KEPT, false)).await?, Admitted::Unknown, "a withdrawn user");
    store.forget_new_user(&ann.user.id, token.hash()).await?;
    let mut again = known(&store, "ann").await?;
    ensure_eq!(
        store.authenticate(ann.ask(KEPT, true)).await?,
        Admitted::WrongToken,
        "the token from before the withdrawal"
    );
    is_current(&store, &mut again).await
}

pub async fn withdraw_does_nothing_for_another_token(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let mut ann = known(&store, "ann").await?;
    let Some(before) = ann.token else { return Err(Breach("a known user has a token".into())) };
    is_current(&store, &mut ann).await?;
    for other in [before, Token::random()] {
        store.forget_new_user(&ann.user.id, other.hash()).await?;
    }
    store.forget_new_user(&named_user("nobody").id, before.hash()).await?;
    let asked = store.authenticate(ann.showing(Some(before)).ask(KEPT, false)).await?;
    ensure!(matches!(asked, Admitted::Repeated(..)), "the token before, after wrong withdrawals: {asked:?}");
    is_current(&store, &mut ann).await
}

pub async fn contract_12_withdraw_leaves_a_user_who_was_admitted_again(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    // With the token that was made up for the first action.
    let first = Wallet::with_own_token("ann");
    let created = store.authenticate(first.ask(KEPT, true)).await?;
    ensure_eq!(created, Admitted::Created(first.user().clone()), "a first action");
    let repeated = on.second_handle().authenticate(first.showing_again().ask(KEPT, true)).await?;
    ensure!(matches!(repeated, Admitted::Repeated(..)), "the same token again: {repeated:?}");
    store.forget_new_user(&first.user.id, first.next.hash()).await?;
    let claimed = store.authenticate(Wallet::of("ann").ask(KEPT, true)).await?;
    ensure_eq!(claimed, Admitted::WrongToken, "somebody else who claims the id");
    let mut ann = first.clone();
    ann.take_next();
    is_current(&store, &mut ann).await?;
    // With the token that was given.
    let mut bob = known(&store, "bob").await?;
    let Some(given) = bob.token else { return Err(Breach("a known user has a token".into())) };
    is_current(&on.second_handle(), &mut bob).await?;
    store.forget_new_user(&bob.user.id, given.hash()).await?;
    is_current(&store, &mut bob).await
}
