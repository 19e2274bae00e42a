"""An MCP server as a program, of a legacy revision, for tests: what it offers is read from a file at every list.

    python mcp_program.py TOOLS.json [modern]

Tools that it lists may be called by these names: `add`, `ask` (asks the client what its argument `method` says),
`visit` (wants an address opened first), `progress`, `hang`, `die`, `garbage` (writes what is no message, then answers),
`env` (its variables), `big`. With `modern`, it is of the revision 2026-07-28, and `ask` asks by its result.
"""

import json
import os
import sys
import threading
from pathlib import Path

MODERN = "modern" in sys.argv[2:]
writing = threading.Lock()
answers = {}
visits = []
arrived = threading.Condition()


def say(message):
    with writing:
        print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def text(value, **more):
    return {"content": [{"type": "text", "text": value}], **more}


def call(request):
    params = request["params"]
    name, arguments = params["name"], params.get("arguments", {})
    if name == "add":
        return text(str(arguments["a"] + arguments["b"]), structuredContent={"sum": arguments["a"] + arguments["b"]})
    if name == "ask" and MODERN:
        if "inputResponses" in params:
            return text(json.dumps(params["inputResponses"]["q"]))
        asked = {"method": arguments["method"], "params": arguments.get("params", {})}
        return {"resultType": "input_required", "inputRequests": {"q": asked}, "requestState": "as it was"}
    if name == "ask":
        for time in range(arguments.get("times", 1)):
            number = f"q{request['id']}.{time}"
            say({"id": number, "method": arguments["method"], "params": arguments.get("params", {})})
            with arrived:
                arrived.wait_for(lambda number=number: number in answers)
        return text(json.dumps(answers[number].get("result", answers[number].get("error"))))
    if name == "visit":
        visits.append(1)
        if len(visits) == 1:
            asked = {"mode": "url", "elicitationId": "e1", "url": arguments["url"], "message": "Log in first."}
            return {"error": {"code": -32042, "message": "Log in", "data": {"elicitations": [asked]}}}
        return text("visited")
    if name == "progress":
        token = params["_meta"]["progressToken"]
        for step in (1, 2):
            progress = {"progressToken": token, "progress": step, "total": 2}
            say({"method": "notifications/progress", "params": progress})
        return text("done")
    if name == "hang":
        threading.Event().wait()
    if name == "die":
        print("It is over.", file=sys.stderr, flush=True)
        os._exit(3)
    if name == "garbage":
        with writing:
            print("this is no message", flush=True)
        return text("still here")
    if name == "env":
        return text(json.dumps(dict(os.environ)))
    if name == "big":
        return text("x" * 300_000)
    return text(f"no tool {name}", isError=True)


def answer(request):
    method = request["method"]
    if method == "server/discover" and MODERN:
        return {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
    if method == "initialize":
        capabilities = {"tools": {"listChanged": True}}
        return {
            "protocolVersion": "2025-11-25",
            "capabilities": capabilities,
            "serverInfo": {"name": "p", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": json.loads(Path(sys.argv[1]).read_text("utf-8"))}
    if method == "tools/call":
        return call(request)
    return None


def serve(request):
    result = answer(request)
    if result is None:
        say({"id": request["id"], "error": {"code": -32601, "message": "no such method"}})
    elif "error" in result:
        say({"id": request["id"], "error": result["error"]})
    else:
        say({"id": request["id"], "result": result})


def main():
    for line in sys.stdin:
        message = json.loads(line)
        if "method" not in message:
            with arrived:
                answers[message["id"]] = message
                arrived.notify_all()
        elif "id" in message:
            threading.Thread(target=serve, args=(message,), daemon=True).start()
        elif message["method"] == "notifications/cancelled":
            print(f"cancelled {message['params']['requestId']}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
