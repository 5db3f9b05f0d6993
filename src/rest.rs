//! stand-in until the merge
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub error_status: ErrorStatus,
}
#[derive(Clone, Copy, Debug)]
pub enum ErrorStatus {
    Meaningful,
    AlwaysOk,
}
pub fn routes(_: crate::chat::Chat, _: Settings) -> axum::Router {
    axum::Router::new()
}
pub async fn not_found() -> axum::http::StatusCode {
    axum::http::StatusCode::NOT_FOUND
}
pub async fn method_not_allowed() -> axum::http::StatusCode {
    axum::http::StatusCode::METHOD_NOT_ALLOWED
}
