//! Checks the size of variables.

use serde_json::{Map, Value};

use crate::graphql::execution::document::limits::Limits;
use crate::graphql::execution::document::rejection::Rejection;

/// Checks the size and depth of variables.
pub(super) fn check(values: &Map<String, Value>, limits: &Limits) -> Result<(), Rejection> {
    let mut bytes = 2_usize;
    for (name, value) in values {
        bytes = bytes.saturating_add(name.len() + 4).saturating_add(size(value, limits.variables_depth, limits)?);
    }
    if bytes > limits.variables_bytes {
        return Err(Rejection::VariablesTooLarge { limit: limits.variables_bytes });
    }
    Ok(())
}

/// Estimates the bytes of a value as JSON. It may have `levels` levels of lists and objects.
fn size(value: &Value, levels: usize, limits: &Limits) -> Result<usize, Rejection> {
    let inside = || levels.checked_sub(1).ok_or(Rejection::VariablesTooDeep { limit: limits.variables_depth });
    match value {
        Value::Null | Value::Bool(_) => Ok(4),
        Value::Number(_) => Ok(8),
        Value::String(text) => Ok(text.len().saturating_add(2)),
        Value::Array(items) => {
            let levels = inside()?;
            items.iter().try_fold(2, |sum, item| Ok(size(item, levels, limits)?.saturating_add(sum + 1)))
        }
        Value::Object(fields) => {
            let levels = inside()?;
            fields
                .iter()
                .try_fold(2, |sum, (name, value)| Ok(size(value, levels, limits)?.saturating_add(sum + name.len() + 4)))
        }
    }
}
