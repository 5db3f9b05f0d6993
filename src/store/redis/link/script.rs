//! Lua scripts and calls of them. A call sends the digest of its script; a server that does not know the script gets it first.

use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, ToRedisArgs};

/// A script.
pub struct Script {
    code: String,
    digest: String,
}

impl Script {
    pub fn new(code: String) -> Self {
        Self { digest: redis::Script::new(&code).get_hash().to_owned(), code }
    }

    /// A call with these keys.
    pub fn call(&self, keys: impl IntoIterator<Item = String>) -> ScriptCall<'_> {
        let keys: Vec<_> = keys.into_iter().collect();
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.digest).arg(keys.len()).arg(keys);
        ScriptCall { script: self, command }
    }
}

/// A call of a script.
pub struct ScriptCall<'a> {
    script: &'a Script,
    pub command: Cmd,
}

impl ScriptCall<'_> {
    /// Adds an argument.
    pub fn arg(&mut self, arg: impl ToRedisArgs) -> &mut Self {
        self.command.arg(arg);
        self
    }

    /// The command that loads the script, if the server needs it after this error.
    pub fn load_after(&self, error: &RedisError) -> Option<Cmd> {
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(&self.script.code);
        matches!(error.kind(), ErrorKind::Server(ServerErrorKind::NoScript)).then_some(load)
    }
}
