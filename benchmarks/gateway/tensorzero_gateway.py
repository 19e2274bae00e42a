"""Run the HTTP gateway that is inside the package `tensorzero`: `python tensorzero_gateway.py CONFIGURATION`.

It is the gateway itself, in Rust, on a port of its own choice, which is printed. The package starts it for
`patch_openai_client`; the stand-alone binary is not on PyPI.
"""

import signal
import sys

from tensorzero.tensorzero import _start_http_gateway

gateway = _start_http_gateway(
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
)
print(gateway.base_url, flush=True)
signal.pause()
