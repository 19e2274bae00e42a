"""A workflow declared in Python: asks the documents, then a person; this program plays the person."""

import json
import sys
import time
import urllib.request

from guru.agents.workflows.builder import Flow, var

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=300) as response:
        return json.load(response)


flow = Flow("parental_leave", description="Answers a question about leave, if somebody agrees.")
flow.task("look_up", question="{{ input.question }}", collection="handbook")
flow.human("agree", title="Send this answer?", text="{{ steps.look_up.output.answer }}", decisions=["send", "drop"])
flow.choice("sent", (var("$.decision").equals("send"), "send"), default="drop")
flow.pass_("send", parameters={"answer": "{{ steps.look_up.output.answer }}"}, end=True)
flow.fail("drop", error="Dropped")

call("POST", "/api/v1/workflows", {"definition": flow.declaration()})
given = {"question": "How many weeks of parental leave are there?"}
run = call("POST", "/api/v1/workflows/parental_leave/runs", {"input": given})
path = f"/api/v1/workflow-runs/{run['id']}"

while run["status"] not in ("done", "failed", "cancelled"):
    time.sleep(0.2)
    run = call("GET", path)
    for step in run["steps"]:
        if step["ask"]:
            print(f"{step['path']} asks: {step['ask']['title']} {step['ask']['text']}")
            call("POST", f"{path}/answer", {"step": step["path"], "decision": "send"})
print(f"{run['status']}: {run['output']}")
