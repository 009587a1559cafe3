//! Rules for all pages, in every state that they have.

mod fixtures;
mod forms;
mod scenes;
mod user_text;
