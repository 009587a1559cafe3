"""Mints or refreshes with the platform's own SDK, `truemarkets`, as configured by TM_BASE_URL and TM_KEY_FILE.

support/sdk.rs runs it. Prints one JSON object.
"""

import json
import sys

from truemarkets import APIError, Config
from truemarkets.auth import load_key_file, mint_token, refresh_token

config = Config.from_env()
try:
    if sys.argv[1] == "mint":
        key_id, key = load_key_file(config.key_file)
        answer = mint_token(config, key, key_id)
    else:
        answer = refresh_token(config, sys.argv[2])
    print(json.dumps(answer))
except APIError as error:
    print(json.dumps({"status": error.status_code, "message": str(error)}))
