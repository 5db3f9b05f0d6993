//! Checks the permissions of the Redis user at start. Otherwise a missing one would show much later, in one use case only.
//! docs/operations.md has the ACL lines that grant these permissions and no others.

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError, Script, ServerErrorKind};

/// Tries every command that a server cannot do without, besides those that connect.
pub(super) async fn check(connection: &mut MultiplexedConnection, prefix: &str) -> Result<(), RedisError> {
    let unused = format!("{prefix}:rights");
    redis::cmd("ROLE").exec_async(connection).await?;
    connection.subscribe(&unused).await?;
    connection.unsubscribe(&unused).await?;
    let script = Script::new(include_str!("scripts/acl.lua"));
    let denied: Vec<String> = script.key(&unused).arg(&unused).invoke_async(connection).await?;
    if denied.is_empty() {
        return Ok(());
    }
    let kind = ErrorKind::Server(ServerErrorKind::NoPerm);
    Err(RedisError::from((kind, "the user may not run", denied.join(", "))))
}
