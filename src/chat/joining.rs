//! Registers a user in a room without a message, for presence, typing and reactions.

use tracing::instrument;

use crate::access::secrets;
use crate::chat::admission::{AdmittedUser, Claimant, NextToken, OnUnknownUser, prepare_admission};
use crate::chat::{Chat, ChatError, JoinRoom, with_deadline};
use crate::domain::client_key::ClientKey;
use crate::domain::position::Position;
use crate::domain::room::{Room, RoomId};
use crate::domain::user::{DisplayName, User};
use crate::store::{Actor, Admitted, Member, StoreError};

/// A user that has joined a room.
#[derive(Clone, Debug)]
pub struct Joined {
    pub room: RoomId,
    pub user: User,
    /// The token for this user's next action.
    pub token: NextToken,
    /// For presence and typing in this room.
    pub presence_token: String,
    /// The end of the room's log.
    pub position: Position,
}

impl Joined {
    fn new(room: &Room, member: Member, token: NextToken) -> Self {
        let presence_token = secrets::presence_token(room, &member.user.id);
        Self { room: room.id, user: member.user, token, presence_token, position: member.head }
    }
}

impl Chat {
    /// Registers a user in a room without a message. An unknown user is registered as with a first message.
    #[instrument(level = "debug", skip_all)]
    pub async fn join_room(&self, client: ClientKey, input: JoinRoom<'_>) -> Result<Joined, ChatError> {
        let limits = &self.settings.limits;
        let name = input.display_name.map(|name| DisplayName::parse(name, limits)).transpose()?;
        with_deadline(async {
            let room = self.open_room(client, input.room).await?.room;
            let claimant = self.identify(client, &room, input.user_id, input.token)?;
            let is_owner = self.is_proven_owner(client, &room, &claimant, input.owner_token).await?;
            let address = room.address_hash(client);
            let user = match claimant {
                Claimant::Unsigned(user) => user,
                Claimant::Signed(signed) => {
                    let AdmittedUser { user, token } = signed.admitted();
                    let member = self.store.join(room.id, Actor { user, is_owner, address }).await?;
                    self.hub.update_member(room.id, &member);
                    return Ok(Joined::new(&room, member, token));
                }
            };
            let on_unknown = OnUnknownUser::Register(name.unwrap_or_else(DisplayName::anonymous));
            let (admission, tokens) = prepare_admission(&room, user.clone(), input.token, on_unknown);
            let registered_with = admission.next_token;
            let chat = self.clone();
            // Detached, because the first step replaces the client's token.
            self.run_detached(async move {
                let admitted = chat.store.authenticate(admission).await?;
                let Some(admitted_user) = tokens.admitted_user(&admitted) else {
                    return Err(chat.admission_error(client, &user, &admitted).await);
                };
                let actor = Actor { user: admitted_user.user.clone(), is_owner, address };
                match chat.store.join(room.id, actor).await {
                    Ok(member) => {
                        chat.hub.update_member(room.id, &member);
                        Ok(Joined::new(&room, member, admitted_user.token))
                    }
                    Err(error) => {
                        // Nobody has the token of a user whose registration was refused. If the outcome is unknown, it stays.
                        if matches!(admitted, Admitted::Created(_)) && !matches!(error, StoreError::Unavailable(_)) {
                            chat.store.forget_new_user(&user, registered_with).await?;
                        }
                        Err(error.into())
                    }
                }
            })
            .await
        })
        .await
    }
}
