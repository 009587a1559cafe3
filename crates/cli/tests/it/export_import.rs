//! Moves a service from SQLite to PostgreSQL with the commands, as an operator does.

use tm_auth_proto::ErrorCode;
use tm_auth_testing::postgres::Postgres;

use crate::service::{Service, error_code, refresh_counter};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_moves_to_postgresql_and_sessions_keys_and_revocations_continue() {
    let mut service = Service::new();
    let running = service.start();
    let uid = service.account();
    let token = service.management_token(uid);
    let bot = service.bot(uid, &token).await;
    let revoked = service.bot(uid, &token).await;
    let challenge = bot.challenge();
    let tokens = service.api().mint(&challenge).await.expect("the mint succeeds");
    let ended = revoked.mint(&service.api()).await.expect("the mint succeeds");
    service
        .api()
        .revoke_api_key(&token, revoked.key_id)
        .await
        .expect("the key is revoked");
    let jwks = service.api().jwks().await.expect("the JWKS is served");

    let file = service.path("export");
    let file = file.to_str().expect("the path is UTF-8");
    let message = service.failure(&["export", file]);
    assert!(message.contains("another tm-auth server is using"), "{message}");
    drop(running);
    let exported = service.admin(&["export", file]);

    service.set("DATABASE__PATH", "");
    service.set("DATABASE__URL", &Postgres::shared().database());
    let message = service.failure(&["accounts", "list"]);
    assert!(message.contains("there is no database"), "{message}");
    let imported = service.admin(&["import", file]);
    assert!(imported.starts_with(exported.trim_end()), "{exported}{imported}");
    assert!(service.failure(&["import", file]).contains("not empty"));
    service.admin(&["doctor"]);

    let running = service.start();
    let api = service.api();
    assert_eq!(api.jwks().await.expect("the JWKS is served"), jwks);
    let refreshed = api
        .refresh(&tokens.refresh_token)
        .await
        .expect("the session continues");
    assert_eq!(refresh_counter(&refreshed), 1);
    assert_eq!(error_code(api.mint(&challenge).await), Some(ErrorCode::Replayed));
    assert_eq!(error_code(revoked.mint(&api).await), Some(ErrorCode::KeyRevoked));
    assert_eq!(
        error_code(api.refresh(&ended.refresh_token).await),
        Some(ErrorCode::KeyRevoked)
    );
    bot.mint(&api).await.expect("the mint still succeeds");
    drop(running);
}
