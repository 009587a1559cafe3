//! The main journeys with PostgreSQL: users see no difference.

use crate::support::Service;
use crate::{journeys, sign_up};

#[tokio::test(flavor = "multi_thread")]
async fn g01_a_passkey_signs_up_and_signs_in_again() {
    sign_up::a_passkey_creates_an_account(Service::start_on_postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_from_the_browser_openssl_and_tm_auth_work() {
    journeys::keys_from_the_browser_openssl_and_tm_auth(Service::start_on_postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_passkey_is_replaced_after_a_day_unless_its_owner_objects() {
    journeys::a_lost_passkey(Service::start_on_postgres().await).await;
}
