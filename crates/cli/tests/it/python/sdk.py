"""Drives the platform's own SDK, `truemarkets`, against the origin in TM_BASE_URL.

Run by sdk/mod.rs with the name of one of the functions below. An assertion that fails ends it with status 1.
"""

import sys

import httpx
from truemarkets import APIError, Client, Config
from truemarkets.auth import load_key_file, mint_token, refresh_token
from truemarkets._generated.gateway.models import BalancesResponse, ErrorResponse


def mints_and_refreshes():
    """The helpers that the SDK's own client is made of."""
    config = Config.from_env()
    key_id, key = load_key_file(config.key_file)
    first = mint_token(config, key, key_id)
    # Two mints in one second: signatures differ, so neither is a replay.
    second = mint_token(config, key, key_id)
    assert first["refresh_token"] != second["refresh_token"]
    rotated = refresh_token(config, first["refresh_token"])
    assert rotated["access_token"] and rotated["refresh_token"] != first["refresh_token"]
    # A lost answer: the same successor comes again.
    again = refresh_token(config, first["refresh_token"])
    assert again["refresh_token"] == rotated["refresh_token"]
    try:
        refresh_token(config, rotated["access_token"])
        raise AssertionError("an access token was taken for a refresh token")
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
        post(client, "/test/hour")
        assert isinstance(client.gateway.get_balances(), BalancesResponse)
        assert client._access_token != access and client._refresh_token != refresh
        assert client.defi.get_profile().email
        # Without the refresh token it is refused: the token in hand had really ended.
        client._access_token, client._refresh_token = access, None
        assert isinstance(client.gateway.get_balances(), ErrorResponse)


def an_ended_session_is_told_and_a_new_mint_goes_on():
    with Client() as client:
        assert isinstance(client.gateway.get_balances(), BalancesResponse)
        refresh = client._refresh_token
        post(client, "/v1/auth/token/revoke", {"refresh_token": refresh})
        post(client, "/test/learn")
        # Its refresh is refused too, so it gives the Gateway's own 401 back and keeps what it has.
        refused = client.gateway.get_balances()
        assert isinstance(refused, ErrorResponse) and refused.message, refused
        assert client._refresh_token == refresh
        client.authenticate()
        assert isinstance(client.gateway.get_balances(), BalancesResponse)


def a_revoked_key_is_dead_everywhere(management_token):
    with Client() as client:
        assert isinstance(client.gateway.get_balances(), BalancesResponse)
        answer = httpx.delete(
            f"{client.cfg.auth_base}/api-keys/{client._key_id}",
            headers={"Authorization": f"Bearer {management_token}"},
        )
        assert answer.is_success, answer.text
        post(client, "/test/learn")
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
