//! A send in a cluster, where the user and the room may be on different shards: [`Store::send`] in two steps.

use std::time::Duration;

use crate::domain::token::TokenHash;
use crate::domain::user::UserId;
use crate::store::{Admission, Admitted, NewMessage, Sent, Store, StoreError};

/// How often [`forget_with_retry`] retries, and the pause before the first retry, which doubles each time.
const FORGET_RETRIES: u32 = 5;
const FORGET_BACKOFF: Duration = Duration::from_millis(50);

/// Authenticates the author, commits the message, and undoes a registration if the message is refused.
pub(super) async fn send_in_two_steps(
    store: &(impl Store + ?Sized),
    admission: Admission,
    message: NewMessage,
) -> Result<Sent, StoreError> {
    let token = admission.next_token;
    // A client that presents no token cannot authenticate as this user if it does not learn that the user was created.
    let unusable_if_created =
        (admission.register_as.is_some() && admission.presented.is_none()).then(|| admission.user.clone());
    let admitted = match (store.authenticate(admission).await, unusable_if_created) {
        (Ok(admitted), _) => admitted,
        (Err(error @ StoreError::Unavailable(_)), Some(user)) => {
            forget_with_retry(store, &user, token).await?;
            return Err(error);
        }
        (Err(error), _) => return Err(error),
    };
    let Some(author) = admitted.user() else { return Ok(Sent { admitted, committed: None }) };
    match store.commit(message.into_commit(author.clone())).await {
        Ok(committed) => Ok(Sent { admitted, committed: Some(committed) }),
        Err(refused) => {
            // If the outcome is unknown, the message may exist, and then its author must, too.
            if let Admitted::Created(author) = &admitted
                && !matches!(refused, StoreError::Unavailable(_))
            {
                forget_with_retry(store, &author.id, token).await?;
            }
            Err(refused)
        }
    }
}

/// Forgets a new user, with retries if the store is briefly unavailable, because otherwise no client could use the id.
/// Forgetting a user twice changes nothing.
async fn forget_with_retry(store: &(impl Store + ?Sized), user: &UserId, token: TokenHash) -> Result<(), StoreError> {
    for attempt in 0..FORGET_RETRIES {
        match store.forget_new_user(user, token).await {
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(FORGET_BACKOFF * (1 << attempt)).await,
            outcome => return outcome,
        }
    }
    store.forget_new_user(user, token).await
}
