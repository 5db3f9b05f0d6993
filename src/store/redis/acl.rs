//! What a user of Redis has to be allowed, tried at start: a right that is missing would otherwise show late, in one use
//! case only. docs/operations.md has the lines that give these rights and no others.

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError, Script, ServerErrorKind};

/// Tries everything that is needed beside making connections.
pub(super) async fn check(connection: &mut MultiplexedConnection, prefix: &str) -> Result<(), RedisError> {
    let of_no_use = format!("{prefix}:rights");
    redis::cmd("ROLE").exec_async(connection).await?;
    connection.subscribe(&of_no_use).await?;
    connection.unsubscribe(&of_no_use).await?;
    let script = Script::new(include_str!("acl.lua"));
    let refused: Vec<String> = script.key(&of_no_use).arg(&of_no_use).invoke_async(connection).await?;
    if refused.is_empty() {
        return Ok(());
    }
    let kind = ErrorKind::Server(ServerErrorKind::NoPerm);
    Err(RedisError::from((kind, "the user may not run", refused.join(", "))))
}
