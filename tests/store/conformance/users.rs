//! Authenticating and forgetting users: the promises in the doc comments of `authenticate`, `forget_new_user` and `Admitted`.

use std::sync::Arc;

use livechat::domain::timestamp::Timestamp;
use livechat::domain::token::Token;
use livechat::domain::user::{DisplayName, User};
use livechat::store::{Admission, Admitted, PresentedToken, Store};

use super::fixture::Fixture;
use super::kit::*;

/// Later than any test runs.
pub const FAR_FUTURE: Timestamp = Timestamp::from_millis(4_000_000_000_000);

/// A client's user, the token that it presents, and the next token that it offers to the store.
#[derive(Clone)]
pub struct Credentials {
    user: User,
    token: Option<Token>,
    next: Token,
}

impl Credentials {
    /// A client without a token.
    pub fn new(name: &str) -> Self {
        Self::for_user(named_user(name))
    }

    pub fn for_user(user: User) -> Self {
        Self { user, token: None, next: Token::random() }
    }

    /// A client that makes up its first token.
    pub fn with_own_token(name: &str) -> Self {
        Self::new(name).with_token(Some(Token::random()))
    }

    fn with_token(&self, token: Option<Token>) -> Self {
        Self { token, next: Token::random(), user: self.user.clone() }
    }

    /// The same client, which did not receive its last response and retries.
    pub fn retry(&self) -> Self {
        self.with_token(self.token)
    }

    pub fn user(&self) -> &User {
        &self.user
    }

    pub fn admission(&self, keep_until: Timestamp, register: bool) -> Admission {
        Admission {
            user: self.user.id.clone(),
            presented: self
                .token
                .map(|token| PresentedToken { hash: token.hash(), sealed_next_token: token.seal(&self.next) }),
            next_token: self.next.hash(),
            keep_until,
            register_as: register.then(|| self.user.display_name.clone()),
        }
    }

    /// Makes the offered token the presented one. Returns the token presented before.
    pub fn take_next(&mut self) -> Option<Token> {
        self.token.replace(std::mem::replace(&mut self.next, Token::random()))
    }
}

/// Registers the client's user, or rotates its token.
pub async fn authenticate(store: &Arc<dyn Store>, credentials: &mut Credentials, keep_until: Timestamp) -> Outcome {
    match store.authenticate(credentials.admission(keep_until, true)).await? {
        Admitted::Created(user) | Admitted::Rotated(user) => {
            ensure_eq!(user, *credentials.user(), "the admitted user");
            credentials.take_next();
            Ok(())
        }
        other => Err(Breach(format!("{:?} was not admitted: {other:?}", credentials.user().id))),
    }
}

/// Registers a user.
async fn registered(store: &Arc<dyn Store>, name: &str) -> Outcome<Credentials> {
    let mut credentials = Credentials::new(name);
    authenticate(store, &mut credentials, FAR_FUTURE).await?;
    Ok(credentials)
}

/// Ensures that the client's token is the current one, and rotates it.
pub async fn ensure_current(store: &Arc<dyn Store>, credentials: &mut Credentials) -> Outcome {
    let admitted = store.authenticate(credentials.admission(FAR_FUTURE, false)).await?;
    ensure_eq!(admitted, Admitted::Rotated(credentials.user().clone()), "the current token");
    credentials.take_next();
    Ok(())
}

pub async fn authenticate_does_not_register_a_user_without_a_name(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let without_token = Credentials::new("nobody");
    let with_token = without_token.with_token(Some(Token::random()));
    for _ in 0..2 {
        ensure_eq!(
            store.authenticate(without_token.admission(FAR_FUTURE, false)).await?,
            Admitted::Unknown,
            "a user without a token"
        );
        ensure_eq!(
            store.authenticate(with_token.admission(FAR_FUTURE, false)).await?,
            Admitted::Unknown,
            "a user with a token"
        );
    }
    let created = store.authenticate(without_token.admission(FAR_FUTURE, true)).await?;
    ensure_eq!(created, Admitted::Created(without_token.user().clone()), "the user with a name");
    Ok(())
}

pub async fn authenticate_registers_a_user_once(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let mut ann = registered(&store, "ann").await?;
    for store in [on.store(), on.second_handle()] {
        let again = store.authenticate(ann.with_token(None).admission(FAR_FUTURE, true)).await?;
        ensure_eq!(again, Admitted::WrongToken, "the same id without a token");
    }
    let name = ann.user.display_name.clone();
    ann.user.display_name = DisplayName::from_stored("another name".into());
    let admitted = store.authenticate(ann.admission(FAR_FUTURE, true)).await?;
    let expected = User { display_name: name, ..ann.user.clone() };
    ensure_eq!(admitted, Admitted::Rotated(expected), "a known user with another name");
    Ok(())
}

pub async fn authenticate_rotates_the_current_token(on: &dyn Fixture) -> Outcome {
    let mut ann = registered(&on.store(), "ann").await?;
    for _ in 0..3 {
        ensure_current(&on.store(), &mut ann).await?;
        ensure_current(&on.second_handle(), &mut ann).await?;
    }
    Ok(())
}

pub async fn authenticate_returns_the_same_next_token_for_the_previous_token(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let mut ann = registered(&store, "ann").await?;
    ensure_current(&store, &mut ann.clone()).await?;
    let used = ann.token;
    for store in [on.store(), on.second_handle(), on.store()] {
        // Each retry offers another next token, which has no effect.
        let admitted = store.authenticate(ann.with_token(used).admission(FAR_FUTURE, true)).await?;
        let Admitted::Repeated(user, sealed) = admitted else {
            return Err(Breach(format!("the previous token got {admitted:?}")));
        };
        ensure_eq!(user, *ann.user(), "the user");
        let unsealed = used.map(|token| token.unseal(&sealed));
        ensure!(unsealed == Some(ann.next), "the sealed token is not the next token");
    }
    ann.take_next();
    ensure_current(&store, &mut ann).await
}

pub async fn authenticate_invalidates_the_previous_token_once_the_next_one_is_used(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let mut ann = registered(&store, "ann").await?;
    let first = ann.token;
    ensure_current(&store, &mut ann).await?;
    ensure_current(&store, &mut ann).await?;
    let admitted = store.authenticate(ann.with_token(first).admission(FAR_FUTURE, true)).await?;
    ensure_eq!(admitted, Admitted::WrongToken, "a token whose next token was used");
    ensure_current(&store, &mut ann).await
}

pub async fn authenticate_changes_nothing_for_a_wrong_token(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let mut ann = registered(&store, "ann").await?;
    let before = ann.token;
    ensure_current(&store, &mut ann).await?;
    let mut bob = registered(&store, "bob").await?;
    for wrong in [None, Some(Token::random()), bob.token] {
        let admitted = store.authenticate(ann.with_token(wrong).admission(FAR_FUTURE, true)).await?;
        ensure_eq!(admitted, Admitted::WrongToken, "a wrong token");
    }
    let admitted = store.authenticate(ann.with_token(before).admission(FAR_FUTURE, false)).await?;
    ensure!(matches!(admitted, Admitted::Repeated(..)), "the previous token, after wrong ones: {admitted:?}");
    ensure_current(&store, &mut ann).await?;
    ensure_current(&store, &mut bob).await
}

pub async fn authenticate_treats_a_client_made_token_as_the_previous_one(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let own = Token::random();
    let mut ann = Credentials::new("ann").with_token(Some(own));
    let created = store.authenticate(ann.admission(FAR_FUTURE, true)).await?;
    ensure_eq!(created, Admitted::Created(ann.user().clone()), "a first action with a client-made token");
    let repeated = store.authenticate(ann.with_token(Some(own)).admission(FAR_FUTURE, true)).await?;
    let Admitted::Repeated(_, sealed) = repeated else {
        return Err(Breach(format!("the retried first action got {repeated:?}")));
    };
    ensure!(own.unseal(&sealed) == ann.next, "the sealed token is not the first one");
    ann.take_next();
    ensure_current(&store, &mut ann).await?;
    let dead = store.authenticate(ann.with_token(Some(own)).admission(FAR_FUTURE, true)).await?;
    ensure_eq!(dead, Admitted::WrongToken, "the client-made token after the next one was used");
    Ok(())
}

pub async fn authenticate_rotates_once_under_contention(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let ann = registered(&store, "ann").await?;
    let Some(shown) = ann.token else { return Err(Breach("a registered user has no token".into())) };
    let results = run_concurrently((0..20).map(|n| {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        let credentials = ann.with_token(Some(shown));
        async move { (store.authenticate(credentials.admission(FAR_FUTURE, true)).await, credentials.next) }
    }))
    .await;
    let mut winners = Vec::new();
    let mut repeats = Vec::new();
    for (result, offered) in results {
        match result? {
            Admitted::Rotated(_) => winners.push(offered),
            Admitted::Repeated(_, sealed) => repeats.push(shown.unseal(&sealed)),
            other => return Err(Breach(format!("a valid token got {other:?}"))),
        }
    }
    ensure_eq!((winners.len(), repeats.len()), (1, 19), "rotated and repeated of 20");
    ensure!(repeats.iter().all(|token| *token == winners[0]), "a retry got another token than the current one");
    ensure_current(&store, &mut ann.with_token(Some(winners[0]))).await
}

pub async fn authenticate_registers_once_under_contention(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let ann = Credentials::new("ann");
    let results = run_concurrently((0..20).map(|n| {
        let store = if n % 2 == 0 { on.store() } else { on.second_handle() };
        let credentials = ann.with_token(None);
        async move { (store.authenticate(credentials.admission(FAR_FUTURE, true)).await, credentials.next) }
    }))
    .await;
    let mut winners = Vec::new();
    for (result, offered) in results {
        match result? {
            Admitted::Created(_) => winners.push(offered),
            Admitted::WrongToken => {}
            other => return Err(Breach(format!("a new user got {other:?}"))),
        }
    }
    ensure_eq!(winners.len(), 1, "the created of 20");
    ensure_current(&store, &mut ann.with_token(Some(winners[0]))).await
}

pub async fn forget_new_user_forgets_a_user_whose_token_is_current(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let ann = registered(&store, "ann").await?;
    let Some(token) = ann.token else { return Err(Breach("a registered user has no token".into())) };
    on.second_handle().forget_new_user(&ann.user.id, token.hash()).await?;
    ensure_eq!(store.authenticate(ann.admission(FAR_FUTURE, false)).await?, Admitted::Unknown, "a forgotten user");
    store.forget_new_user(&ann.user.id, token.hash()).await?;
    let mut again = registered(&store, "ann").await?;
    ensure_eq!(
        store.authenticate(ann.admission(FAR_FUTURE, true)).await?,
        Admitted::WrongToken,
        "the token from before the user was forgotten"
    );
    ensure_current(&store, &mut again).await
}

pub async fn forget_new_user_does_nothing_for_another_token(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    let mut ann = registered(&store, "ann").await?;
    let Some(before) = ann.token else { return Err(Breach("a registered user has no token".into())) };
    ensure_current(&store, &mut ann).await?;
    for other in [before, Token::random()] {
        store.forget_new_user(&ann.user.id, other.hash()).await?;
    }
    store.forget_new_user(&named_user("nobody").id, before.hash()).await?;
    let admitted = store.authenticate(ann.with_token(Some(before)).admission(FAR_FUTURE, false)).await?;
    ensure!(matches!(admitted, Admitted::Repeated(..)), "the previous token, after useless calls: {admitted:?}");
    ensure_current(&store, &mut ann).await
}

pub async fn contract_12_forget_new_user_keeps_a_user_that_was_authenticated_again(on: &dyn Fixture) -> Outcome {
    let store = on.store();
    // With the token that the client made up for its first action.
    let first = Credentials::with_own_token("ann");
    let created = store.authenticate(first.admission(FAR_FUTURE, true)).await?;
    ensure_eq!(created, Admitted::Created(first.user().clone()), "a first action");
    let repeated = on.second_handle().authenticate(first.retry().admission(FAR_FUTURE, true)).await?;
    ensure!(matches!(repeated, Admitted::Repeated(..)), "the same token again: {repeated:?}");
    store.forget_new_user(&first.user.id, first.next.hash()).await?;
    let claimed = store.authenticate(Credentials::new("ann").admission(FAR_FUTURE, true)).await?;
    ensure_eq!(claimed, Admitted::WrongToken, "another client that claims the id");
    let mut ann = first.clone();
    ann.take_next();
    ensure_current(&store, &mut ann).await?;
    // With the token that the store accepted.
    let mut bob = registered(&store, "bob").await?;
    let Some(given) = bob.token else { return Err(Breach("a registered user has no token".into())) };
    ensure_current(&on.second_handle(), &mut bob).await?;
    store.forget_new_user(&bob.user.id, given.hash()).await?;
    ensure_current(&store, &mut bob).await
}
