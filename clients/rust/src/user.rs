//! The user of a room. Its actions run one at a time, because each needs the token of the previous one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::requests::ActionPayload;
use crate::retry::{lock, random_id};
use crate::{Error, ErrorCode, Identity, JoinOptions, Storage, User};

/// What an action sends to say who acts.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Credentials {
    pub(crate) user_id: String,
    pub(crate) token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) display_name: Option<String>,
}

/// The users of a client, by name. Keeps the token of each user that the program has named.
pub(crate) struct Users {
    /// What the names begin with, because a storage may serve several servers.
    prefix: String,
    storage: Option<Arc<dyn Storage>>,
    accounts: Mutex<HashMap<String, Arc<Account>>>,
}

/// A user who has no identity, shared by all rooms in which it acts.
pub(crate) struct Account {
    name: String,
    storage: Option<Arc<dyn Storage>>,
    /// Whether a new user may take its place.
    is_replaceable: bool,
    credentials: Mutex<Credentials>,
    /// Held during an action.
    turn: tokio::sync::Mutex<()>,
}

impl Users {
    pub(crate) fn new(prefix: String, storage: Option<Arc<dyn Storage>>) -> Self {
        Self { prefix, storage, accounts: Mutex::default() }
    }

    pub(crate) fn of(&self, options: &JoinOptions) -> Actor {
        match &options.identity {
            Some(identity) => Actor::Verified { identity: identity.clone(), id: Mutex::default() },
            None => Actor::Account(self.account(&options.user)),
        }
    }

    fn account(&self, User { id, token, display_name }: &User) -> Arc<Account> {
        let name = id.as_ref().map_or_else(|| "user".to_owned(), |id| format!("user:{id}"));
        let mut accounts = lock(&self.accounts);
        let account = Arc::clone(accounts.entry(name.clone()).or_insert_with(|| {
            let name = format!("{}{name}", self.prefix);
            let saved = self.storage.as_ref().and_then(|storage| storage.load(&name));
            let saved = saved.and_then(|text| serde_json::from_str(&text).ok());
            // With a token that the client chooses, even the first action can be repeated if its response is lost.
            let credentials = saved.unwrap_or_else(|| Credentials {
                user_id: id.clone().unwrap_or_else(random_id),
                token: token.clone().unwrap_or_else(random_id),
                display_name: display_name.clone(),
            });
            let account = Account {
                name,
                storage: self.storage.clone(),
                is_replaceable: id.is_none(),
                credentials: Mutex::new(credentials),
                turn: tokio::sync::Mutex::default(),
            };
            account.change(|_| {});
            Arc::new(account)
        }));
        drop(accounts);
        if display_name.is_some() {
            account.change(|credentials| credentials.display_name.clone_from(display_name));
        }
        account
    }
}

impl Account {
    fn credentials(&self) -> Credentials {
        lock(&self.credentials).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Credentials)) {
        let mut credentials = lock(&self.credentials);
        change(&mut credentials);
        if let Some(storage) = &self.storage
            && let Ok(text) = serde_json::to_string(&*credentials)
        {
            storage.save(&self.name, &text);
        }
    }

    /// Runs an action, and keeps the token for the next one.
    async fn act<F>(&self, action: impl Fn(Credentials) -> F) -> Result<ActionPayload, Error>
    where
        F: Future<Output = Result<ActionPayload, Error>>,
    {
        let payload = action(self.credentials()).await?;
        self.change(|credentials| {
            if let Some(token) = &payload.token {
                credentials.token.clone_from(token);
            }
            if let Some(user) = &payload.user {
                credentials.display_name = Some(user.display_name.clone());
            }
        });
        Ok(payload)
    }

    fn replace(&self) {
        self.change(|credentials| {
            credentials.user_id = random_id();
            credentials.token = random_id();
        });
    }
}

/// Who acts in a room.
pub(crate) enum Actor {
    Account(Arc<Account>),
    /// A user for whom the host site vouches.
    Verified {
        identity: Identity,
        /// Its id, as of the last action.
        id: Mutex<String>,
    },
}

impl Actor {
    /// Returns when `id` is known.
    pub(crate) async fn prepare(&self) -> Result<(), Error> {
        match self {
            Self::Account(_) => Ok(()),
            Self::Verified { identity, id } => sign_in(identity, id).await.map(drop),
        }
    }

    pub(crate) fn id(&self) -> String {
        match self {
            Self::Account(account) => account.credentials().user_id,
            Self::Verified { id, .. } => lock(id).clone(),
        }
    }

    pub(crate) fn display_name(&self) -> Option<String> {
        match self {
            Self::Account(account) => account.credentials().display_name,
            Self::Verified { .. } => None,
        }
    }

    /// The user as it can be passed to another client.
    pub(crate) fn user(&self) -> Option<User> {
        let Self::Account(account) = self else { return None };
        let Credentials { user_id, token, display_name } = account.credentials();
        Some(User { id: Some(user_id), token: Some(token), display_name })
    }

    /// The token with which the host site vouches for this user, if it does.
    pub(crate) async fn identity(&self) -> Option<String> {
        match self {
            Self::Account(_) => None,
            Self::Verified { identity, .. } => Some(identity.token().await),
        }
    }

    /// Runs an action of the user. If `can_replace`, a new user acts if the server no longer accepts the token of this one.
    pub(crate) async fn act<F>(
        &self,
        can_replace: bool,
        action: impl Fn(Credentials) -> F,
    ) -> Result<ActionPayload, Error>
    where
        F: Future<Output = Result<ActionPayload, Error>>,
    {
        match self {
            Self::Account(account) => {
                let _turn = account.turn.lock().await;
                match account.act(&action).await {
                    Err(error) if error.code == ErrorCode::TokenInvalid && can_replace && account.is_replaceable => {
                        account.replace();
                        account.act(&action).await
                    }
                    result => result,
                }
            }
            Self::Verified { identity, id } => action(sign_in(identity, id).await?).await,
        }
    }
}

async fn sign_in(identity: &Identity, id: &Mutex<String>) -> Result<Credentials, Error> {
    #[derive(Deserialize)]
    struct Claims {
        sub: String,
    }
    let token = identity.token().await;
    let claims = token.split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    let claims: Option<Claims> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    let Some(Claims { sub }) = claims else {
        return Err(Error::new(ErrorCode::IdentityInvalid, "The identity is not a JSON Web Token."));
    };
    let user_id = format!("@{sub}");
    lock(id).clone_from(&user_id);
    Ok(Credentials { user_id, token, display_name: None })
}
