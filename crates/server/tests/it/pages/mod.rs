//! Rules for all pages, in every state that they have.

mod forms;
mod scenes;
mod user_text;
