"""Runs scenarios with the platform's own SDK, `truemarkets`, against the origin in TM_BASE_URL.

sdk/mod.rs and cluster/sdk.rs run it with the name of one of the functions below. A failed assertion exits with status 1.
"""

import heapq
import random
import sys
import threading

import httpx
import truemarkets.client
from truemarkets import APIError, Client, Config
from truemarkets.auth import load_key_file, mint_token, refresh_token
from truemarkets._generated.gateway.models import BalancesResponse, ErrorResponse


# Advances the clocks by 61 minutes. An access token lives an hour.
AFTER_EXPIRY = f"/test/advance/{(3600 + 60) * 1000}"
# Every delay of a request or an answer is shorter than this, in milliseconds.
MAX_DELAY = 1000


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
        post(client, AFTER_EXPIRY)
        assert isinstance(client.gateway.get_balances(), BalancesResponse)
        assert client._access_token != access and client._refresh_token != refresh
        assert client.defi.get_profile().email
        # Without the refresh token the old access token is refused: it has really expired.
        client._access_token, client._refresh_token = access, None
        assert isinstance(client.gateway.get_balances(), ErrorResponse)


def threads_of_one_client_refresh_at_two_expiries(count):
    """The threads share one client, as the SDK allows, on a network with delays. No call fails.

    The delays pass on the clock of the service, so the outcome does not depend on the machine."""
    numbers, delays, failures = range(int(count)), random.Random(19), []
    refreshed = []

    def delay():
        time.sleep(int(threading.current_thread().name), delays.randrange(MAX_DELAY))

    def slow_refresh(config, token):
        delay()
        tokens = refresh_token(config, token)
        refreshed.append((token, tokens["refresh_token"]))
        delay()
        return tokens

    def call():
        try:
            delay()
            balances = client.gateway.get_balances()
            if not isinstance(balances, BalancesResponse):
                failures.append(balances)
        except Exception as error:
            failures.append(error)
        finally:
            time.leave()

    truemarkets.client.refresh_token = slow_refresh
    with Client() as client, httpx.Client(base_url=client.cfg.base_url) as http:
        client.authenticate()
        # An answer of the Gateway is delayed too: when its 401 arrives, another thread may have refreshed.
        client._gateway_authed.get_httpx_client().event_hooks["response"].append(lambda _: delay())
        for _ in range(2):
            post(client, AFTER_EXPIRY)
            time = VirtualTime(len(numbers), lambda ms: http.post(f"/test/advance/{ms}").raise_for_status())
            threads = [threading.Thread(target=call, name=str(number)) for number in numbers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    truemarkets.client.refresh_token = refresh_token
    assert not failures, f"{len(failures)} of {2 * len(numbers)} calls failed: {failures[0]}"
    # The delays are long enough: a thread presented a token and got one that is at least three exchanges newer.
    issued = [refreshed[0][0]]
    for _, token in refreshed:
        if token not in issued:
            issued.append(token)
    exchanges = max(issued.index(new) - issued.index(old) for old, new in refreshed)
    assert exchanges > 2, (exchanges, len(issued))


class VirtualTime:
    """Lets threads run one at a time, in the order of their delays, and tells `advance` how much time passes."""

    def __init__(self, threads, advance):
        self._turn = threading.Condition()
        self._awake, self._asleep, self._running = threads, [], None
        self._now, self._advance = 0, advance

    def sleep(self, number, milliseconds):
        with self._turn:
            heapq.heappush(self._asleep, (self._now + milliseconds, number))
            self._running = None
            self._pass_on()
            while self._running != number:
                self._turn.wait()

    def leave(self):
        with self._turn:
            self._pass_on()

    def _pass_on(self):
        self._awake -= 1
        if self._awake == 0 and self._asleep:
            at, self._running = heapq.heappop(self._asleep)
            self._advance(at - self._now)
            self._now, self._awake = at, 1
            self._turn.notify_all()


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
