//! A chat server on async-graphql and async-graphql-axum, as their documentation shows it. Messages are kept in Redis lists, and
//! events go through Redis pub/sub and one broadcast per room.

use async_graphql::{Context, ID, Object, Result, Schema, SimpleObject, Subscription};
use async_graphql_axum::{GraphQL, GraphQLSubscription};
use axum::Router;
use axum::routing::post_service;
use futures_util::stream::{self, Stream};
use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};

use super::connect;
use super::rooms::Rooms;

#[derive(Clone, Serialize, Deserialize, SimpleObject)]
struct Message {
    id: ID,
    text: String,
    created_at: String,
    author: Author,
}

#[derive(Clone, Serialize, Deserialize, SimpleObject)]
struct Author {
    id: ID,
    display_name: String,
}

struct QueryRoot;

#[Object]
impl QueryRoot {
    async fn messages(&self, context: &Context<'_>, room_id: ID, last: i32) -> Result<Vec<Message>> {
        let mut redis = context.data::<MultiplexedConnection>()?.clone();
        let messages: Vec<String> = redis.lrange(key(&room_id), -(last as isize), -1).await?;
        Ok(messages.iter().map(|message| serde_json::from_str(message)).collect::<Result<_, _>>()?)
    }
}

struct MutationRoot;

#[Object]
impl MutationRoot {
    async fn send_message(
        &self,
        context: &Context<'_>,
        room_id: ID,
        user_id: ID,
        display_name: String,
        text: String,
    ) -> Result<Message> {
        let mut redis = context.data::<MultiplexedConnection>()?.clone();
        let message = Message {
            id: uuid::Uuid::new_v4().into(),
            text,
            created_at: jiff::Timestamp::now().to_string(),
            author: Author { id: user_id, display_name },
        };
        let (key, json) = (key(&room_id), serde_json::to_string(&message)?);
        let mut append = redis::pipe();
        append.rpush(&key, &json).ignore().publish(&key, &json).ignore();
        append.exec_async(&mut redis).await?;
        Ok(message)
    }
}

struct SubscriptionRoot;

#[Subscription]
impl SubscriptionRoot {
    async fn message_sent(&self, context: &Context<'_>, room_id: ID) -> Result<impl Stream<Item = Message> + use<>> {
        let events = context.data::<Rooms<Message>>()?.subscribe(key(&room_id));
        Ok(stream::unfold(events, async |mut events| Some((events.recv().await.ok()?, events))))
    }
}

/// The list and the channel of a room have the same name.
fn key(room: &ID) -> String {
    format!("graphql_axum:{}", room.as_str())
}

pub async fn router(client: &redis::Client) -> Router {
    let redis = connect(client).await;
    let parse = |text: String| serde_json::from_str::<Message>(&text).expect("a message of our own");
    let rooms = Rooms::listen(client, "graphql_axum:*", parse).await;
    let schema = Schema::build(QueryRoot, MutationRoot, SubscriptionRoot).data(redis).data(rooms).finish();
    let service = post_service(GraphQL::new(schema.clone())).get_service(GraphQLSubscription::new(schema));
    Router::new().route("/graphql", service)
}
