"""Runs scenarios with the platform's own SDK, `truemarkets`, against the origin in TM_BASE_URL.

sdk/mod.rs and cluster/sdk.rs run it with the name of one of the functions below. A failed assertion exits with status 1.
"""

import sys

import httpx
from truemarkets import APIError, Client, Config
from truemarkets.auth import load_key_file, mint_token, refresh_token
from truemarkets._generated.gateway.models import BalancesResponse, ErrorResponse


def mints_and_refreshes():
    """The functions that the SDK's client uses."""
    config = Config.from_env()
    key_id, key = load_key_file(config.key_file)
    first = mint_token(config, key, key_id)
    # Two mints within a second have different signatures, so neither is a replay.
    second = mint_token(config, key, key_id)
    assert first["refresh_token"] != second["refresh_token"]
    rotated = refresh_token(config, first["refresh_token"])
    assert rotated["access_token"] and rotated["refresh_token"] != first["refresh_token"]
    # A retry after a lost answer gets the same successor.
    again = refresh_token(config, first["refresh_token"])
    assert again["refresh_token"] == rotated["refresh_token"]
    try:
        refresh_token(config, rotated["access_token"])
        raise AssertionError("an access token was accepted as a refresh token")
    except APIError as error:
        assert error.status_code == 401, error


def calls_the_platform():
    with Client() as client:
        balances = client.gateway.get_balances()
        assert isinstance(balances, BalancesResponse), balances
        assert balances.balances[0].balance == "100.00"
        profile = client.defi.get_profile()
        assert profile.email, profile


def an_expired_token_is_refreshed():
    with Client() as client:
        assert isinstance(client.gateway.get_balances(), BalancesResponse)
        access, refresh = client._access_token, client._refresh_token
        post(client, "/test/advance-hour")
        assert isinstance(client.gateway.get_balances(), BalancesResponse)
        assert client._access_token != access and client._refresh_token != refresh
        assert client.defi.get_profile().email
        # Without the refresh token the old access token is refused: it has really expired.
        client._access_token, client._refresh_token = access, None
        assert isinstance(client.gateway.get_balances(), ErrorResponse)


def an_ended_session_is_refused_and_a_new_mint_works():
    with Client() as client:
        assert isinstance(client.gateway.get_balances(), BalancesResponse)
        refresh = client._refresh_token
        post(client, "/v1/auth/token/revoke", {"refresh_token": refresh})
        post(client, "/test/refresh-verifier")
        # The refresh is refused too. The SDK returns the Gateway's 401 and keeps its tokens.
        refused = client.gateway.get_balances()
        assert isinstance(refused, ErrorResponse) and refused.message, refused
        assert client._refresh_token == refresh
        client.authenticate()
        assert isinstance(client.gateway.get_balances(), BalancesResponse)


def a_revoked_key_is_refused_everywhere(management_token):
    with Client() as client:
        assert isinstance(client.gateway.get_balances(), BalancesResponse)
        answer = httpx.delete(
            f"{client.cfg.auth_base}/api-keys/{client._key_id}",
            headers={"Authorization": f"Bearer {management_token}"},
        )
        assert answer.is_success, answer.text
        post(client, "/test/refresh-verifier")
        assert isinstance(client.gateway.get_balances(), ErrorResponse)
        try:
            client.authenticate()
            raise AssertionError("a revoked key minted")
        except APIError as error:
            assert error.status_code == 401 and b"key_revoked" in error.body, error


def post(client, path, body=None):
    answer = httpx.post(client.cfg.base_url + path, json=body)
    assert answer.is_success, answer.text


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
