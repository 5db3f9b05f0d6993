//! A bot that answers "ping" with "pong": `cargo run --example bot -- http://127.0.0.1:8001 ROOM_ID ROOM_CODE`.

use livechat_client::{Change, JoinOptions, LiveChat, User};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, room_id, room_code] = &arguments[..] else { return Err("Usage: bot SERVER ROOM_ID ROOM_CODE".into()) };

    let chat = LiveChat::new(server)?;
    let room = chat.join(JoinOptions { user: User::named("Bot"), ..JoinOptions::new(room_id, room_code) }).await?;
    let mut events = room.events();
    println!("joined");
    while let Some(event) = events.next().await {
        let Change::MessageSent(message) = event?.change else { continue };
        let text = message.text.as_deref().unwrap_or_default();
        println!("{}: {text}", message.author.display_name);
        if text == "ping" {
            room.reply(&message.id, "pong");
        }
    }
    Ok(()) // The room has ended.
}
