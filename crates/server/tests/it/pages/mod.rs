//! Rules for all pages, in every state that they have.

mod scenes;
mod user_text;
